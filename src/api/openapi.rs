//! Routes and what `/openapi.json` says about them, registered together, so that neither can be without the other.
//!
//! Must not know: which routes there are, or what they do.

use super::Api;
use super::answer::Answer;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, from_value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, Deprecated, InfoBuilder, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
    Server,
};

/// Query parameters that sign a request, and what each one is (spec 5.2).
const SIGNATURE: [(&str, &str); 5] = [
    ("auth_key", "a key of the app"),
    ("auth_timestamp", "seconds since 1970; refused when it is more than 10 minutes off, unless configured otherwise"),
    ("auth_version", "1.0"),
    (
        "auth_signature",
        "HMAC-SHA256, in lower-case hexadecimal, of method, path and the other query parameters, with the secret of \
         auth_key: METHOD\\nPATH\\nname=value&name=value, sorted by name, not URL-encoded",
    ),
    ("body_md5", "MD5 of the body in lower-case hexadecimal; may be left out where the body is empty"),
];

/// The content type of JSON objects that each have a line.
pub(super) const LINES: &str = "application/x-ndjson";

/// What holds for every route.
const ABOUT: &str = "\
Publishes events and tells about channels, users and connections. Speaks the HTTP API of Pusher Channels.

Limits and attributes in this document are the defaults; each app may have others.

A refusal has a line of plain text that says why. Only the HTTP layer, which reads a request before it is known what \
it asks for, answers without a body and closes the connection: with 400 where the request line or a header is \
malformed, and with 431 where the head is too large (up to 32 KiB always pass) or has more than 100 headers.";

/// Routes, each with its documentation.
pub(super) struct Routes {
    router: Router<Api>,
    paths: Paths,
    components: ComponentsBuilder,
}

/// What there is to say about a route.
pub(super) struct Doc {
    operation: OperationBuilder,
    signed: bool,
    /// What `{channel}` of the path is.
    channel: (&'static str, Value),
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Routes {
    pub(super) fn new() -> Self {
        let mut components = ComponentsBuilder::new();
        for (name, about) in SIGNATURE {
            let scheme = SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(name, about)));
            components = components.security_scheme(name, scheme);
        }
        Self { router: Router::new(), paths: Paths::new(), components }
    }

    pub(super) fn get<H: Handler<T, Api>, T: 'static>(self, path: &str, handler: H, doc: Doc) -> Self {
        self.add(HttpMethod::Get, path, get(handler), doc)
    }

    pub(super) fn post<H: Handler<T, Api>, T: 'static>(self, path: &str, handler: H, doc: Doc) -> Self {
        self.add(HttpMethod::Post, path, post(handler), doc)
    }

    fn add(mut self, method: HttpMethod, path: &str, handler: MethodRouter<Api>, doc: Doc) -> Self {
        self.router = self.router.route(path, handler);
        let (operation, schemas) = doc.finish(&method, path);
        self.paths.add_path_operation(path, vec![method], operation);
        self.components = self.components.schemas_from_iter(schemas);
        self
    }

    /// The router, with `path` for the document of all of it, that path included.
    pub(super) fn finish(mut self, path: &str, doc: Doc, api: Api) -> Router {
        let (operation, _) = doc.finish(&HttpMethod::Get, path);
        self.paths.add_path_operation(path, vec![HttpMethod::Get], operation);
        let info = InfoBuilder::new().title("Fanfare HTTP API").version(env!("CARGO_PKG_VERSION"));
        let info = info.description(Some(ABOUT));
        let below = Some(&*api.prefix).filter(|prefix| !prefix.is_empty());
        let servers = below.into_iter().chain(["/"]).map(Server::new);
        let document = OpenApiBuilder::new()
            .info(info.build())
            .servers(Some(servers))
            .paths(self.paths)
            .components(Some(self.components.build()))
            .build();
        let answer = Answer::ok(&document);
        self.router.route(path, get(async move || answer)).with_state(api)
    }
}

impl Doc {
    /// A route that anyone may ask.
    pub(super) fn open(id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        let channel = ("a channel's name, percent-encoded or not", channel());
        Self { operation, signed: false, channel, schemas: Vec::new() }
            .refuses(405, "another method than the path has")
            .drops(431, "the head is too large, or has more than 100 headers; from the HTTP layer, without a body")
    }

    /// A route whose requests are signed, with the refusals that they all have in common.
    pub(super) fn signed(id: &str, summary: &str) -> Self {
        Self { signed: true, ..Self::open(id, summary) }
            .refuses(400, "malformed, or against a rule")
            .refuses(401, "the signature, or a part of it, is missing or wrong")
            .refuses(403, "the app is switched off")
            .refuses(404, "no such app, or no such path")
            .refuses(408, "the body took too long to arrive")
            .refuses(413, "the body, or an event's data, is too large")
            .refuses(429, "the app does this more often than it may; `Retry-After` says when to try again")
    }

    /// Says that `{channel}` of the path is not just any channel.
    pub(super) fn channel(self, description: &'static str, schema: Value) -> Self {
        Self { channel: (description, schema), ..self }
    }

    pub(super) fn about(mut self, description: &str) -> Self {
        self.operation = self.operation.description(Some(description));
        self
    }

    pub(super) fn deprecated(mut self) -> Self {
        self.operation = self.operation.deprecated(Some(Deprecated::True));
        self
    }

    pub(super) fn query(self, name: &str, description: &str, schema: Value) -> Self {
        self.parameter(name, ParameterIn::Query, Required::False, description, schema)
    }

    pub(super) fn required_query(self, name: &str, description: &str, schema: Value) -> Self {
        self.parameter(name, ParameterIn::Query, Required::True, description, schema)
    }

    pub(super) fn header(self, name: &str, description: &str, schema: Value) -> Self {
        self.parameter(name, ParameterIn::Header, Required::False, description, schema)
    }

    pub(super) fn body(mut self, content_type: &str, required: Required, description: &str, schema: Value) -> Self {
        let body = RequestBodyBuilder::new()
            .description(Some(description))
            .required(Some(required))
            .content(content_type, Content::new(Some(read(schema))));
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    pub(super) fn answers<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self.responds(status, description, "application/json", Ref::from_schema_name(T::name()).into())
    }

    /// An answer whose schema is not worth a name.
    pub(super) fn answers_json(self, status: u16, description: &str, schema: Value) -> Self {
        self.responds(status, description, "application/json", read(schema))
    }

    /// An answer of JSON objects, each on its line.
    pub(super) fn answers_lines(self, status: u16, description: &str) -> Self {
        self.responds(status, description, LINES, read(json!({ "type": "string" })))
    }

    pub(super) fn refuses(self, status: u16, why: &str) -> Self {
        self.responds(status, why, "text/plain", read(json!({ "type": "string" })))
    }

    /// A refusal that says nothing but its status.
    fn drops(mut self, status: u16, why: &str) -> Self {
        self.operation = self.operation.response(status.to_string(), ResponseBuilder::new().description(why));
        self
    }

    fn responds(mut self, status: u16, description: &str, content_type: &str, schema: RefOr<Schema>) -> Self {
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(description).content(content_type, content);
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    fn parameter(
        mut self,
        name: &str,
        place: ParameterIn,
        required: Required,
        description: &str,
        schema: Value,
    ) -> Self {
        self.operation = self.operation.parameter(parameter(name, place, required, description, schema));
        self
    }

    /// Adds what method and path say by themselves.
    fn finish(mut self, method: &HttpMethod, path: &str) -> (Operation, Vec<(String, RefOr<Schema>)>) {
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let (about, schema) = match name {
                "channel" => self.channel.clone(),
                "app_id" => ("the app's id", json!({ "type": "string", "minLength": 1 })),
                _ => ("the id of a signed-in user, percent-encoded", json!({ "type": "string", "minLength": 1 })),
            };
            let parameter = parameter(name, ParameterIn::Path, Required::True, about, schema);
            self.operation = self.operation.parameter(parameter);
        }
        if self.signed {
            let names = SIGNATURE.iter().map(|(name, _)| *name);
            let needed = names.filter(|name| *name != "body_md5" || *method != HttpMethod::Get);
            let all = needed.fold(SecurityRequirement::default(), |all, name| all.add(name, [""; 0]));
            self.operation = self.operation.security(all);
        }
        (self.operation.build(), self.schemas)
    }
}

fn parameter(name: &str, place: ParameterIn, required: Required, description: &str, schema: Value) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(read(schema)))
        .build()
}

/// One character of channels' names (N1).
pub(super) const IN_NAMES: &str = "[A-Za-z0-9_\\-=@,.;]";

/// A channel's name (N1, N2).
pub(super) fn channel() -> Value {
    names(&format!("{IN_NAMES}+"))
}

/// Names of channels that look like `pattern`.
pub(super) fn names(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{pattern}$"), "maxLength": 164 })
}

fn read(schema: Value) -> RefOr<Schema> {
    let written = schema.clone();
    let read = from_value(schema).expect("a schema of this crate is well-formed");
    debug_assert_eq!(json!(read), written, "what utoipa does not know it leaves out");
    read
}

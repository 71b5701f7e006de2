//! What `/openapi.json` says about each route, in the order of the routes. A schema allows no more than the server does,
//! as far as a schema can say it; what depends on another parameter is told in words.

use super::answer::Empty;
use super::channels::{Channel, ChannelStats, Channels, Members};
use super::connections::Connections;
use super::events::{Published, PublishedBatch};
use super::info::{ALL, COUNTS};
use super::nodes::Nodes;
use super::openapi::{Doc, IN_NAMES, channel, names};
use super::stats::AppStats;
use super::users::User;
use super::webhooks::{DeadLetters, Replayed, Webhooks};
use crate::feed::KINDS;
use serde_json::{Value, json};
use utoipa::openapi::Required;

pub(super) fn publish() -> Doc {
    let channels = || json!({ "type": "array", "items": published(), "minItems": 1, "maxItems": 100 });
    let one = event("channel", json!({ "channel": published(), "channels": or_null(channels()) }));
    let many = event("channels", json!({ "channels": channels(), "channel": or_null(published()) }));
    let one_or_many = json!({ "anyOf": [one, many] });
    keyed(Doc::signed("publish", "Publish an event to one or more channels"))
        .about(
            "Needs `channel` or `channels`; of both, `channels` counts. `info` is for the answer. A request without a \
             body may have the same members as query parameters, `channels[]` once for each channel.",
        )
        .body("application/json", Required::True, "the event", one_or_many)
        .answers::<Published>(200, "published, or on its way; `{}` unless `info` asked for something")
}

pub(super) fn publish_batch() -> Doc {
    let batch =
        json!({ "type": "array", "maxItems": 10, "items": event("channel", json!({ "channel": published() })) });
    let body = json!({ "type": "object", "required": ["batch"], "properties": { "batch": batch } });
    keyed(Doc::signed("publishBatch", "Publish several events, each to its `channel`, in their order"))
        .about("All events are checked before the first is published.")
        .body("application/json", Required::True, "the events", body)
        .answers::<PublishedBatch>(200, "published, or on their way; `{}` unless an `info` asked for something")
}

pub(super) fn publish_raw() -> Doc {
    keyed(Doc::signed("publishRaw", "Publish the body, whatever text it is, to one channel"))
        .deprecated()
        .required_query("name", "the event's name", event_name())
        .query("socket_id", "a connection that does not get the event", socket_id())
        .body(
            "text/plain",
            Required::False,
            "the event's data, as it is",
            json!({ "type": "string", "maxLength": 10_240 }),
        )
        .answers::<Empty>(202, "published, or on its way")
}

pub(super) fn channels() -> Doc {
    Doc::signed("listChannels", "List occupied channels")
        .query("filter_by_prefix", "only channels whose names start so", json!({ "type": "string" }))
        .query("info", &about_info(&COUNTS, "user_count only with filter_by_prefix=presence-..."), info(&COUNTS))
        .answers::<Channels>(200, "the channels by name; users' own channels are left out")
}

pub(super) fn channel_info() -> Doc {
    Doc::signed("showChannel", "Tell about one channel, occupied or not")
        .query(
            "info",
            &about_info(&ALL, "user_count only of presence channels, cache only of cache channels"),
            info(&ALL),
        )
        .answers::<Channel>(200, "the channel")
}

pub(super) fn channel_users() -> Doc {
    Doc::signed("listMembers", "List the members of a presence channel")
        .channel("a presence channel's name, percent-encoded or not", names(&format!("presence-{IN_NAMES}*")))
        .query("with_user_info", "1 adds each member's user_info", text())
        .answers::<Members<'_>>(200, "the members; none if the channel is not occupied")
}

pub(super) fn channel_stats() -> Doc {
    Doc::signed("showChannelStats", "Count a channel's connections and members")
        .deprecated()
        .answers::<ChannelStats>(200, "the counts")
}

pub(super) fn terminate_channel() -> Doc {
    terminates("terminateChannel", "End every connection subscribed to the channel")
}

pub(super) fn user() -> Doc {
    Doc::signed("showUser", "Tell whether a user is signed in").answers::<User>(200, "the user, signed in or not")
}

pub(super) fn terminate_user() -> Doc {
    terminates("terminateUser", "End every connection signed in as the user")
}

pub(super) fn terminate_user_by_key() -> Doc {
    terminates("terminateUserByKey", "End every connection signed in as the user")
        .about("The same where a server library leaves out the app's id; auth_key tells the app.")
}

pub(super) fn connections() -> Doc {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    Doc::signed("listConnections", "Count connections; with any parameter, list those of one node a page at a time")
        .query("channel", "only those subscribed to this channel", channel())
        .query("user", "only those signed in as this user", text())
        .query("cursor", "the cursor of the page before", cursor())
        .query("limit", "connections on a page", limit)
        .answers::<Connections>(200, "the count, and the page if one was asked for")
}

pub(super) fn stats() -> Doc {
    Doc::signed("showStats", "Tell what the app adds up to").answers::<AppStats>(200, "the statistics")
}

pub(super) fn nodes() -> Doc {
    Doc::signed("listNodes", "List the nodes that act as one").answers::<Nodes>(200, "the nodes")
}

pub(super) fn webhooks() -> Doc {
    silent(Doc::signed("listWebhooks", "Tell how the app's endpoints take webhooks, on the node that answers"))
        .answers::<Webhooks>(200, "the endpoints; none if the app has none")
}

pub(super) fn dead_webhooks() -> Doc {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    silent(Doc::signed("listDeadWebhooks", "List webhooks that were given up, oldest first"))
        .query("endpoint", "only those of this endpoint", text())
        .query("limit", "how many of them", limit)
        .answers::<DeadLetters>(200, "the dead letters")
}

pub(super) fn replay_webhooks() -> Doc {
    let id = json!({ "type": "string", "pattern": "^[0-9a-f]{16}-(0|[1-9][0-9]*)$" });
    let schema = json!({
        "type": "object",
        "properties": {
            "endpoint": or_null(text()),
            "ids": or_null(json!({ "type": "array", "items": id }))
        },
        "additionalProperties": false
    });
    silent(Doc::signed("replayWebhooks", "Send webhooks that were given up after all"))
        .body("application/json", Required::False, "which ones; all unless endpoint or ids say otherwise", schema)
        .answers::<Replayed>(200, "they wait to be sent again; what is no dead letter is passed over")
}

pub(super) fn tail() -> Doc {
    let most = json!({ "type": "integer", "minimum": 0, "maximum": 16384, "default": 16384 });
    let kinds = format!("^({0})(,({0}))*$", KINDS.join("|"));
    Doc::signed("tail", "Tell what happens in the app on the node that answers, while it happens")
        .about(
            "The answer has no end of its own. Each line is a JSON object whose `type` says what it is: first `tail` with \
             the node and how many `nodes` there are, then one for each happening, and `missed` with a `count` where \
             more happened than was read. An empty line comes after 15 s in which nothing did.",
        )
        .query("type", "only such happenings, separated by commas", json!({ "type": "string", "pattern": kinds }))
        .query("channel", "only what happens on channels whose names start so", text())
        .query("max_payload", "bytes of each payload", most)
        .answers_lines(200, "the records, one on each line")
        .refuses(429, "16 follow the app on this node already")
}

fn silent(doc: Doc) -> Doc {
    doc.refuses(503, "the webhooks do not answer; to be asked again")
}

pub(super) fn ready() -> Doc {
    let schema = |ready: bool, required: Value| {
        let reasons = json!({ "type": "array", "items": { "type": "string" } });
        let properties = json!({ "ready": { "type": "boolean", "enum": [ready] }, "reasons": reasons });
        json!({ "type": "object", "required": required, "properties": properties })
    };
    Doc::open("ready", "Tell whether new connections should come here")
        .answers_json(200, "they should", schema(true, json!(["ready"])))
        .answers_json(
            503,
            "the other nodes cannot be reached, or it is stopping",
            schema(false, json!(["ready", "reasons"])),
        )
}

pub(super) fn live() -> Doc {
    let schema = json!({ "type": "object", "required": ["live"], "properties": { "live": { "type": "boolean" } } });
    Doc::open("live", "Tell that the process runs, whether or not it is ready").answers_json(200, "it does", schema)
}

pub(super) fn up() -> Doc {
    let schema = json!({ "type": "object", "required": ["health"], "properties": { "health": { "type": "string" } } });
    Doc::open("up", "Tell that the server is up").answers_json(200, "it is", schema)
}

pub(super) fn openapi() -> Doc {
    Doc::open("openapi", "Describe the API: this document").answers_json(
        200,
        "the document",
        json!({ "type": "object" }),
    )
}

fn keyed(doc: Doc) -> Doc {
    let key = json!({ "type": "string", "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" });
    let about = "A name for this request, chosen by the caller. The same request with the same key within 5 minutes \
                 is answered as it was and not published again.";
    doc.header("Idempotency-Key", about, key).refuses(422, "the Idempotency-Key was used for another request").refuses(
        503,
        "the request broke off, or other nodes could not be reached; to be sent again with the same Idempotency-Key",
    )
}

fn terminates(id: &str, summary: &str) -> Doc {
    Doc::signed(id, summary).body("application/json", Required::False, "means nothing", anything()).answers::<Empty>(
        200,
        "they were closed with 4009, on which clients do not come back; there may have been none",
    )
}

/// An event to the channels that `properties` tell of; the one called `required` must be there.
fn event(required: &str, mut properties: Value) -> Value {
    properties["name"] = event_name();
    properties["data"] = json!({
        "type": ["string", "object", "array", "number", "boolean"],
        "maxLength": 10_240,
        "description": "at most 10240 bytes; anything but a string is sent as its JSON"
    });
    properties["socket_id"] = or_null(socket_id());
    properties["info"] = or_null(info(&COUNTS));
    properties["info"]["description"] =
        about_info(&COUNTS, "user_count is left out unless the channel is a presence channel").into();
    json!({ "type": "object", "required": ["name", "data", required], "properties": properties })
}

/// A channel that may be published to: also a user's own.
fn published() -> Value {
    names(&format!("(#server-to-user-)?{IN_NAMES}+"))
}

fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn event_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^(?!pusher(_internal)?:)" })
}

fn socket_id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]+$" })
}

/// An id that is given out: its halves are 1 to 10^9 (C9).
pub(super) fn cursor() -> Value {
    let half = "([1-9][0-9]{0,8}|1000000000)";
    json!({ "type": "string", "pattern": format!("^{half}\\.{half}$") })
}

fn anything() -> Value {
    json!({ "type": ["string", "object", "array", "number", "boolean", "null"] })
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// A list of the attributes that a route knows (I6), `known`.
pub(super) fn info(known: &[&str]) -> Value {
    let one = format!(" *({})? *", known.join("|"));
    json!({ "type": "string", "pattern": format!("^{one}(,{one})*$") })
}

fn about_info(known: &[&str], condition: &str) -> String {
    format!("attributes for the answer, separated by commas: {}; {condition}", known.join(", "))
}

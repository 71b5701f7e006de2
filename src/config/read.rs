//! All sources, read and checked, laid over one another.
//!
//! Must not know: what the settings do.

use super::apps::{self, CREDENTIALS, DEFAULT, has};
use super::error::{Mistakes, origin};
use super::lookup::Family;
use super::merge::{Layer, merge};
use super::notes::Notes;
use super::schema::GIVEN;
use super::variables::Variables;
use super::written::{Listed, Written};
use super::{
    Cluster, Error, Log, Metrics, Nats, Redis, Server, Sources, Tls, Webhooks, aliases, files, own, pusher, rules, tls,
    warnings,
};
use crate::app::{Features, Limits};
use config::ValueKind;

/// What was read.
pub(super) struct Read {
    /// Every setting that is not an app's, defaults included.
    pub(super) settings: Layer,
    /// Every app with all that holds for it.
    pub(super) apps: Vec<Listed>,
    pub(super) mistakes: Mistakes,
    pub(super) notes: Notes,
}

/// What variables and flags say.
struct Given {
    /// The variables of other servers.
    aliases: Layer,
    /// Whose variables name the app.
    family: Option<Family>,
    /// Our own variables, and flags above them.
    own: Layer,
}

impl Read {
    /// Reads all of them, to the end whatever is wrong with one.
    pub(super) fn all(sources: &Sources) -> Self {
        let (mut mistakes, mut notes) = (Mistakes::default(), Notes::default());
        let variables = mistakes.sift(Variables::read(sources));
        let blind = variables.is_none();
        let variables = variables.unwrap_or_else(|| Variables::without_file(sources));
        let config = sources.config_file.as_ref().map(|path| sources.directory.join(path));
        let mut file = config.map_or_else(Written::default, |path| files::config(&path, &mut mistakes, &mut notes));
        let given = Given::read(&variables, sources, &file.settings, &mut mistakes, &mut notes);

        let layers = [&defaults(), &pusher::defaults(given.family), &file.settings, &given.aliases, &given.own];
        let settings = tls::completed(merge(&layers), sources, &mut mistakes);
        distinct_ports(&settings, &mut mistakes);
        if let Some(ValueKind::String(path)) = settings.get("server.apps").map(|path| &path.kind) {
            let more = files::apps(&sources.directory.join(path), &mut mistakes, &mut notes);
            file.apps.extend(more.apps);
            file.broken |= more.broken;
        }
        file.broken |= blind;
        given.add_app(&mut file, blind, &mut mistakes, &mut notes);
        if file.apps.is_empty() && !file.broken {
            let place = variables.path().display();
            mistakes.note(Error::new(&format!(
                "no app is configured: set REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET in {place} or in the \
                 environment, or name a config file with [[apps]]; `fanfare serve --dev` needs none"
            )));
        }
        let apps = apps::complete(file.apps, &merge(&[&file.settings, &given.own]), &mut mistakes);
        warnings::find(&settings, &apps, &mut notes);
        Self { settings, apps, mistakes, notes }
    }
}

impl Given {
    fn read(
        variables: &Variables<'_>,
        sources: &Sources,
        file: &Layer,
        mistakes: &mut Mistakes,
        notes: &mut Notes,
    ) -> Self {
        let (aliases, family) = aliases::layer(variables, file, mistakes, notes);
        let own = merge(&[&own::layer(variables, mistakes), &sources.flags()]);
        GIVEN.check_layer("", &merge(&[&aliases, &own]), mistakes);
        Self { aliases, family, own }
    }

    /// Puts the app of the environment before those of files. Reverb's own export of its settings holds the app that
    /// `.env` names too: then it is the same one, and the variables win.
    fn add_app(&self, file: &mut Written, blind: bool, mistakes: &mut Mistakes, notes: &mut Notes) {
        let every = |key: &str| match Layer::table(self.own.get(key)) {
            none if none.is_empty() => none,
            some => some.within(key),
        };
        let app = |layer: &Layer| Layer::table(layer.get("app"));
        let table = merge(&[&app(&self.aliases), &every("features"), &every("limits"), &app(&self.own)]);
        let Some(set) = CREDENTIALS.iter().find_map(|name| table.get(name)) else {
            if let Some((key, value)) = app(&self.own).entries().min_by_key(|(key, _)| *key) {
                notes.warn(format!("app.{key} has no effect ({}): variables name no app", origin(value)));
            }
            return;
        };
        let missing: Vec<_> =
            CREDENTIALS.iter().filter(|name| !has(&table, name)).map(|name| self.variable(name)).collect();
        if !missing.is_empty() {
            // What is missing may stand in the file that could not be read.
            if !blind {
                let (missing, are) = (missing.join(" and "), if missing.len() == 1 { "is" } else { "are" });
                let mend = "an app has id, key and secret; set all three or none";
                mistakes.note(Error::new(&format!("{missing} {are} not set, unlike {}: {mend}", origin(set))));
            }
            file.broken = true;
            return;
        }
        let [of_aliases, of_own] = [&self.aliases, &self.own].map(|layer| Layer::table(layer.get("app")));
        let find = |table: &Layer, other: &Layer| {
            let name = CREDENTIALS.iter().find(|name| has(table, name) && !has(other, name))?;
            table.get(name).map(|value| origin(value).to_string())
        };
        if let (Some(theirs), Some(ours)) =
            (find(&of_aliases, &of_own), CREDENTIALS.iter().find_map(|name| of_own.get(name)))
        {
            let ours = origin(ours);
            notes.warn(format!("the app is named in part by {theirs} and in part by {ours}: is that one app?"));
        }
        let id = |table: &Layer| table.get("id").and_then(|id| id.clone().into_string().ok());
        let same = file.apps.iter().position(|app| app.reverb && id(&app.table) == id(&table));
        let known = same.map(|at| file.apps.remove(at).table).unwrap_or_default();
        let reverb = self.family == Some(Family::Reverb);
        let table = merge(&[&known, &table]);
        let origin = "environment".to_owned();
        file.apps.insert(0, Listed { place: "app".to_owned(), table, origin, reverb });
    }

    /// The variable that a person would set for an app's `id`, `key` or `secret`.
    fn variable(&self, name: &str) -> String {
        let aliases = Layer::table(self.aliases.get("app"));
        if CREDENTIALS.iter().any(|name| has(&aliases, name)) {
            return self.family.unwrap_or(Family::Reverb).variable(name);
        }
        own::variable(&format!("app.{name}"))
    }
}

/// Refuses two listeners on one port: with `reuse_port` the system would spread requests over both.
fn distinct_ports(settings: &Layer, mistakes: &mut Mistakes) {
    let [server, metrics] = ["server", "metrics"].map(|section| {
        let text =
            |key: &str| settings.get(&format!("{section}.{key}")).and_then(|value| value.clone().into_string().ok());
        (text("host").map(|host| rules::bare_host(&host).to_owned()), text("port").filter(|port| port != "0"))
    });
    let is_any = |host: &Option<String>| host.as_deref().is_some_and(|host| host == "0.0.0.0" || host == "::");
    let same = server.0 == metrics.0 || is_any(&server.0) || is_any(&metrics.0);
    if let (Some(port), true) = (settings.get("metrics.port"), same && server.1.is_some() && server.1 == metrics.1) {
        mistakes.note(Error::setting("metrics.port", port, "it is server.port, too: choose another one"));
    }
}

/// Every setting that is not an app's, as it is where nobody says otherwise.
fn defaults() -> Layer {
    merge(&[
        &Layer::of(&Server::default(), DEFAULT).within("server"),
        &Layer::of(&Tls::default(), DEFAULT).within("tls"),
        &Layer::of(&Metrics::default(), DEFAULT).within("metrics"),
        &Layer::of(&Log::default(), DEFAULT).within("log"),
        &Layer::of(&Cluster::default(), DEFAULT).within("cluster"),
        &Layer::of(&Redis::default(), DEFAULT).within("redis"),
        &Layer::of(&Nats::default(), DEFAULT).within("nats"),
        &Layer::of(&Features::default(), DEFAULT).within("features"),
        &Layer::of(&Limits::default(), DEFAULT).within("limits"),
        &Layer::of(&Webhooks::default(), DEFAULT).within("webhooks"),
    ])
}

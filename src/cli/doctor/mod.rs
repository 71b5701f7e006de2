//! `fanfare doctor`: one file for each group of checks.
//!
//! Must not know: how what is asked of it is done; it only looks, and changes nothing.

mod backend;
mod finding;
mod limits;
mod local;
mod page;
mod ready;
mod settings;
mod tls;
mod trip;

use super::address::Address;
use super::client::{Failure, block_on};
use super::link::{self, Target};
use super::place::{Place, Server};
use super::print::{refuse, say};
use super::pusher::Pusher;
use crate::app::App;
use crate::config::{Config, given};
use crate::server::refusals;
use finding::Report;
use settings::{Env, VARIABLES};
use std::path::PathBuf;
use std::process::ExitCode;

/// Find out why it does not work: configuration, the way to the server, and a round trip through it.
///
/// Run it where the Laravel app runs, with its .env. It changes nothing; the round trip takes a private channel of its own.
/// Exits with 0 if nothing is wrong, otherwise with 1.
#[derive(clap::Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    place: Place,
    #[arg(value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    #[arg(
        long,
        value_name = "ORIGIN",
        help = "Page that connects, such as https://app.example.com [default: APP_URL]"
    )]
    origin: Option<String>,
    #[arg(long, value_name = "ID", help = "App to look at [default: the first that is enabled]")]
    app: Option<String>,
    /// PEM file of the authorities that may vouch for certificates, in place of the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print one JSON object, for programs
    #[arg(long)]
    json: bool,
}

const URL_HELP: &str =
    "Where clients and back ends reach the server [default: what REVERB_SCHEME, REVERB_HOST and REVERB_PORT say]";

/// An app at the place where it is reached.
struct Site<'a> {
    target: Target,
    app: &'a App,
    /// The page that connects, and which setting names it.
    origin: Option<(String, String)>,
}

impl Doctor {
    pub(super) fn run(self) -> ExitCode {
        let json = self.json;
        let mut report = Report::default();
        let url = match self.examine(&mut report) {
            Ok(url) => url,
            Err(mistake) => return refuse(&mistake),
        };
        if json {
            say(&report.json(url.as_deref()).to_string());
        } else {
            say(&report.text());
        }
        ExitCode::from(u8::from(report.count() > 0))
    }

    /// Looks at everything; the place that was looked at. The error is a mistake in the options.
    fn examine(self, report: &mut Report) -> Result<Option<String>, String> {
        let asked = self.url.as_deref().map(Address::parse).transpose()?;
        let sources = self.place.sources();
        let (config, env) = match (Config::load(&sources), given(&sources, VARIABLES)) {
            (Ok(config), Ok(env)) => (config, Env(env)),
            (Err(error), _) | (_, Err(error)) => {
                let fix = "correct it; `fanfare keys` makes credentials for an app that has none";
                report.wrong("configuration", error.to_string(), "", fix);
                return Ok(None);
            }
        };
        for refusal in refusals(&config) {
            report.wrong("configuration", refusal, "", "correct it: the server would not start with it");
        }
        let count = config.apps.len();
        let apps = if count == 1 { "1 app".to_owned() } else { format!("{count} apps") };
        report.ok("configuration", format!("{apps}, to be served at {}", link::local(&config.server, &config.tls)));
        settings::broadcasting(&env, &config.apps, report);
        limits::files(&config.apps, report);
        config.apps.iter().for_each(|app| limits::sizes(app, report));

        let is_given = asked.is_some();
        let local = Target::nearby(&config.server, &config.tls)?;
        let told = env.address(env.broadcaster(), &config.server.path, report);
        let (is_told, public) = (asked.is_some() || told.is_some(), asked.or(told));
        let public = public.unwrap_or_else(|| local.address.clone());
        if !is_given {
            settings::publishing(&env, &config.server, &public, report);
        }
        // Whoever is sent to the server itself sends no header; only where nobody is sent anywhere it is asked as here.
        let proxies = if is_told { None } else { local.proxies.clone() };
        let target = match Target::new(public.clone(), self.ca_file.as_deref()) {
            Ok(target) => Target { proxies, ..target },
            Err(why) => {
                report.wrong("ca-file", why, "--ca-file", "name another file, or leave the option out");
                return Ok(Some(public.to_string()));
            }
        };
        let server = Server { target: target.clone(), apps: config.apps };
        let app = match server.app(self.app.as_deref()) {
            Ok(app) => app,
            Err(why) => {
                let fix = "name one of them with --app, or set enabled = true for one in the config file";
                report.wrong("app", why, "[[apps]]", fix);
                return Ok(Some(public.to_string()));
            }
        };
        let site = Site { target, app, origin: origin(self.origin, &env) };
        page::origin(&site, report);
        let pages = settings::pages(&env, app, &config.server.path, report);
        let looked = block_on(async {
            let mut is_ours = false;
            if local.address.port != 0 {
                is_ours = local::look(&local, !is_given, report).await;
                if let (Some(file), Ok(pinned)) = (&config.tls.cert_file, Target::here(&config.server, &config.tls)) {
                    tls::shown(&pinned, file, report).await;
                }
            }
            // What is wrong here would only be found again.
            let is_here = local.address == site.target.address;
            if is_here && ["port", "prefix", "proxy-protocol"].into_iter().any(|check| report.is_wrong(check)) {
                return Ok(());
            }
            let targets: &[&Target] = match (is_ours, is_given) {
                (true, true) => &[&site.target, &local],
                (true, false) => &[&local, &site.target],
                (false, _) => &[&site.target],
            };
            ready::ask(targets, report).await;
            way(&site, &server, report).await;
            if let Some(pages) = pages.filter(|pages| *pages != site.target.address) {
                elsewhere(&site, pages, report).await;
            }
            Ok::<_, Failure>(())
        });
        looked.map_err(|failure| failure.to_string())?;
        Ok(Some(public.to_string()))
    }
}

/// The page that connects: the one that is named, or else the app's own.
fn origin(named: Option<String>, env: &Env) -> Option<(String, String)> {
    if let Some(named) = named {
        return Some((named.trim_end_matches('/').to_owned(), "--origin".to_owned()));
    }
    let url = env.get("APP_URL")?;
    let (scheme, rest) = url.text.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    Some((format!("{scheme}://{host}"), url.origin.clone()))
}

/// The whole way: who is there, back ends, pages, and both together.
async fn way(site: &Site<'_>, server: &Server, report: &mut Report) {
    let takes_requests = backend::ask(site, report).await;
    if ["reach", "tls", "redirect"].into_iter().any(|check| report.is_wrong(check)) {
        return;
    }
    let Some(pusher) = page::connect(site, report).await else { return };
    if takes_requests {
        trip::take(site, server, pusher, report).await;
    }
}

/// Where pages look for the server, if the app looks elsewhere: in a container that may be right.
async fn elsewhere(site: &Site<'_>, address: Address, report: &mut Report) {
    let target = Target { address, proxies: None, ..site.target.clone() };
    let key = site.app.keys.iter().next().expect("every app has a key");
    let origin = site.origin.as_ref().map(|(origin, _)| origin.as_str());
    match Pusher::connect(&target, key, origin).await {
        Ok(_) => report.ok("vite", format!("pages find the server at {}", target.address)),
        Err(why) => {
            let what = format!(
                "pages look for the server at {}, and the app at {}: {why}",
                target.address, site.target.address
            );
            let fix = "set VITE_REVERB_HOST=\"${REVERB_HOST}\", VITE_REVERB_PORT and VITE_REVERB_SCHEME likewise, and build \
                       the pages again: npm run build";
            report.wrong("vite", what, "VITE_REVERB_HOST, VITE_REVERB_PORT, VITE_REVERB_SCHEME", fix);
        }
    }
}

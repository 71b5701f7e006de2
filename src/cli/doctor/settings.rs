//! What the Laravel app and its pages are told of the server, against what the server is told.
//!
//! Must not know: the network.

use super::super::address::Address;
use super::Report;
use crate::app::App;
use crate::config::{Given, Server, masked};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The variables that are looked at.
pub(super) const VARIABLES: &[&str] = &[
    "APP_URL",
    "BROADCAST_CONNECTION",
    "BROADCAST_DRIVER",
    "PUSHER_APP_ID",
    "PUSHER_APP_KEY",
    "PUSHER_APP_SECRET",
    "PUSHER_HOST",
    "PUSHER_PORT",
    "PUSHER_SCHEME",
    "REVERB_APP_ID",
    "REVERB_HOST",
    "REVERB_PORT",
    "REVERB_SCHEME",
    "VITE_PUSHER_APP_KEY",
    "VITE_PUSHER_HOST",
    "VITE_PUSHER_PORT",
    "VITE_PUSHER_SCHEME",
    "VITE_REVERB_APP_KEY",
    "VITE_REVERB_HOST",
    "VITE_REVERB_PORT",
    "VITE_REVERB_SCHEME",
];

/// Those of them that are set.
pub(super) struct Env(pub(super) BTreeMap<&'static str, Given>);

impl Env {
    /// What is set, and not to nothing.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name).filter(|given| !given.text.is_empty())
    }

    /// Which broadcaster the app uses: `REVERB` unless it is Pusher's.
    pub(super) fn broadcaster(&self) -> &'static str {
        let name = self.get("BROADCAST_CONNECTION").or(self.get("BROADCAST_DRIVER"));
        if name.is_some_and(|name| name.text == "pusher") { "PUSHER" } else { "REVERB" }
    }

    /// Where those who read `{prefix}_HOST`, `_PORT` and `_SCHEME` look for the server; `None` without a host. Port and
    /// scheme are then 443 and https, as in Laravel's own configuration.
    pub(super) fn address(&self, prefix: &str, path: &str, report: &mut Report) -> Option<Address> {
        let get = |part: &str| self.get(&format!("{prefix}_{part}"));
        let host = get("HOST")?;
        let bare = host.text.trim_matches(['[', ']']);
        let is_name = !host.text.contains(['/', '@', '$']) && (!bare.contains(':') || bare.parse::<IpAddr>().is_ok());
        if !is_name {
            let what = format!("{} is no host name", masked(&host.text));
            report.wrong("publish", what, &host.origin, "write the name alone, without scheme, port, path or ${...}");
            return None;
        }
        let secure = match get("SCHEME").map(|scheme| (scheme.text.as_str(), scheme)) {
            None | Some(("https", _)) => true,
            Some(("http", _)) => false,
            Some((text, scheme)) => {
                report.wrong("publish", format!("{text} is no scheme"), &scheme.origin, "write http or https");
                return None;
            }
        };
        let port = match get("PORT").map(|port| (port.text.parse(), port)) {
            None => 443,
            Some((Ok(1..), port)) => port.text.parse().expect("it was a number a line above"),
            Some((_, port)) => {
                report.wrong(
                    "publish",
                    format!("{} is no port", port.text),
                    &port.origin,
                    "write a number from 1 to 65535",
                );
                return None;
            }
        };
        Some(Address { secure, host: bare.to_owned(), port, path: path.to_owned() })
    }
}

/// Whether the app broadcasts at all, and to this server.
pub(super) fn broadcasting(env: &Env, apps: &[App], report: &mut Report) {
    let name = env.get("BROADCAST_CONNECTION").or(env.get("BROADCAST_DRIVER"));
    let fix = "set BROADCAST_CONNECTION=reverb, and run `php artisan config:clear` if the configuration is cached";
    match name {
        Some(name) if name.text == "reverb" || name.text == "pusher" => {
            report.ok("broadcasting", format!("the app broadcasts by {}", name.text));
        }
        Some(name) => {
            let what = format!("the app broadcasts by {:?}, so nothing of it comes here", name.text);
            report.wrong("broadcasting", what, &name.origin, fix);
        }
        None if env.get("REVERB_HOST").is_some() || env.get("APP_URL").is_some() => {
            let what = "BROADCAST_CONNECTION is not set, so the app broadcasts nothing";
            report.wrong("broadcasting", what, "BROADCAST_CONNECTION", fix);
        }
        None => {}
    }
    if env.broadcaster() == "PUSHER" {
        pusher(env, apps, report);
    }
}

/// The credentials of Pusher's broadcaster, which are variables of their own.
fn pusher(env: &Env, apps: &[App], report: &mut Report) {
    let fix = "give it the value that the server has";
    let [id, key, secret] = ["PUSHER_APP_ID", "PUSHER_APP_KEY", "PUSHER_APP_SECRET"].map(|name| env.get(name));
    let Some(app) = apps.iter().find(|app| id.is_none_or(|id| id.text == app.id)) else {
        let id = id.expect("without an id any app does");
        return report.wrong("app", format!("no app has the id {}", id.text), &id.origin, fix);
    };
    let Some(key) = key else { return };
    match (app.keys.secret(&key.text), secret) {
        (None, _) => report.wrong("app", format!("the app has no key {}", key.text), &key.origin, fix),
        (Some(ours), Some(theirs))
            if !ours.verify(&["same"], &crate::protocol::signature::Secret::new(&theirs.text).sign(&["same"])) =>
        {
            report.wrong("secret", "the app signs with another secret than the server has", &theirs.origin, fix);
        }
        _ => {}
    }
}

/// Whether what is published as the server's place could be it.
pub(super) fn publishing(env: &Env, server: &Server, public: &Address, report: &mut Report) {
    let prefix = env.broadcaster();
    let name = format!("{prefix}_HOST");
    let Some(host) = env.get(&name) else {
        let what = format!("{name} is not set, so the app does not know where the server is");
        return report.note("publish", what, &name, &format!("set {name}, {prefix}_PORT and {prefix}_SCHEME"));
    };
    let ip = public.host.parse::<IpAddr>().ok();
    if ip.is_some_and(|ip| ip.is_unspecified()) {
        let what = format!("{} is an address to listen on, and none to connect to", host.text);
        let fix = format!("set {name} to the name that browsers use; REVERB_SERVER_HOST is where the server listens");
        return report.wrong("publish", what, &host.origin, fix);
    }
    let is_local = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_local(&server.host) && !is_local(&public.host) && public.port == server.port {
        let what =
            format!("the server listens on {}:{} alone, which {} does not reach", server.host, server.port, public);
        let fix = format!("set REVERB_SERVER_HOST=0.0.0.0, or {prefix}_PORT to the port of the proxy in front of it");
        return report.wrong("bind", what, "REVERB_SERVER_HOST", fix);
    }
    if server.proxy_protocol && is_local(&public.host) && public.port == server.port {
        let what = format!(
            "the app connects to {public}, the server itself, which wants a PROXY protocol header first, and the app \
             sends none"
        );
        let fix = format!("set {name} and {prefix}_PORT to the proxy's place, or server.proxy_protocol = false");
        return report.wrong("proxy-protocol", what, &host.origin, fix);
    }
    report.ok("publish", format!("the app is told that the server is at {public}"));
}

/// The page's key against the app's; where the page looks for the server. What Vite builds in stays until the next build.
pub(super) fn pages(env: &Env, app: &App, path: &str, report: &mut Report) -> Option<Address> {
    let prefix =
        ["VITE_REVERB", "VITE_PUSHER"].into_iter().find(|prefix| env.get(&format!("{prefix}_APP_KEY")).is_some())?;
    for part in ["APP_KEY", "HOST", "PORT", "SCHEME"] {
        if let Some(given) = env.get(&format!("{prefix}_{part}")).filter(|given| given.text.contains("${")) {
            let what = format!("{} stands there as it is: no variable of that name is set above it", given.text);
            report.wrong("vite", what, &given.origin, "set the variable further up, or write the value itself");
            return None;
        }
    }
    let key = env.get(&format!("{prefix}_APP_KEY"))?;
    if app.keys.secret(&key.text).is_none() {
        let what = format!("pages connect with the key {}, which is none of the app's", key.text);
        let fix = format!("set {prefix}_APP_KEY=\"${{REVERB_APP_KEY}}\" and build the pages again: npm run build");
        report.wrong("vite", what, &key.origin, fix);
    }
    env.address(prefix, path, report)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn env(lines: &[(&'static str, &str)]) -> Env {
        let given = |(name, text): &(&'static str, &str)| {
            (*name, Given { text: (*text).to_owned(), origin: format!("{name} in .env") })
        };
        Env(lines.iter().map(given).collect())
    }

    #[test]
    fn places_are_read_as_laravel_reads_them() {
        let check = |lines: &[(&'static str, &str)], expect: Option<&str>| {
            let mut report = Report::default();
            let address = env(lines).address("REVERB", "/ws", &mut report).map(|address| address.to_string());
            assert_eq!(address.as_deref(), expect, "{lines:?}");
            assert_eq!(report.is_wrong("publish"), expect.is_none() && !lines.is_empty(), "{lines:?}");
        };
        check(&[], None);
        check(&[("REVERB_HOST", "a.test")], Some("https://a.test:443/ws"));
        check(&[("REVERB_HOST", "::1"), ("REVERB_SCHEME", "http"), ("REVERB_PORT", "80")], Some("http://[::1]:80/ws"));
        check(&[("REVERB_HOST", "https://a.test")], None);
        check(&[("REVERB_HOST", "a.test:80")], None);
        check(&[("REVERB_HOST", "a.test"), ("REVERB_PORT", "0")], None);
        check(&[("REVERB_HOST", "a.test"), ("REVERB_SCHEME", "wss")], None);
    }

    #[test]
    fn an_address_to_listen_on_is_none_to_connect_to() {
        let check = |listen: &str, host: &str, port: u16, expect: Option<(&str, Level)>| {
            let (env, mut report) = (env(&[("REVERB_HOST", host)]), Report::default());
            let server = Server { host: listen.to_owned(), ..Server::default() };
            let public = Address { secure: false, host: host.to_owned(), port, path: String::new() };
            publishing(&env, &server, &public, &mut report);
            assert_eq!(report.last(), expect, "{listen} {host} {port}");
        };
        check("0.0.0.0", "a.test", 8080, Some(("publish", Level::Ok)));
        check("0.0.0.0", "0.0.0.0", 8080, Some(("publish", Level::Wrong)));
        check("127.0.0.1", "a.test", 8080, Some(("bind", Level::Wrong)));
        check("127.0.0.1", "a.test", 443, Some(("publish", Level::Ok)));
        check("127.0.0.1", "localhost", 8080, Some(("publish", Level::Ok)));
        check("0.0.0.0", "", 8080, Some(("publish", Level::Note)));
    }
}

//! What `fanfare serve --dev` prints: everything needed to connect an app and to send it something.

use crate::config::{DEV_APP_ID as ID, DEV_APP_KEY as KEY, DEV_APP_SECRET as SECRET};
use std::net::{IpAddr, SocketAddr};

/// Credentials, an Echo snippet, a `.env` block and a command that publishes.
pub(super) fn instructions(address: SocketAddr, hostname: Option<&str>, path: &str) -> String {
    let port = address.port();
    let host = match (hostname, address.ip()) {
        (Some(name), _) => name.to_owned(),
        (None, any) if any.is_unspecified() => "localhost".to_owned(),
        (None, IpAddr::V4(ip)) => ip.to_string(),
        (None, IpAddr::V6(ip)) => format!("[{ip}]"),
    };
    let (ws_path, server_path) = match path {
        "" => (String::new(), String::new()),
        path => (format!("\n      wsPath: '{path}',"), format!("\n  REVERB_SERVER_PATH={path}")),
    };
    format!(
        r#"
Development app: id {ID}, key {KEY}, secret {SECRET}

Laravel, in .env:

  BROADCAST_CONNECTION=reverb
  REVERB_APP_ID={ID}
  REVERB_APP_KEY={KEY}
  REVERB_APP_SECRET={SECRET}
  REVERB_HOST={host}
  REVERB_PORT={port}
  REVERB_SCHEME=http{server_path}
  VITE_REVERB_APP_KEY="${{REVERB_APP_KEY}}"
  VITE_REVERB_HOST="${{REVERB_HOST}}"
  VITE_REVERB_PORT="${{REVERB_PORT}}"
  VITE_REVERB_SCHEME="${{REVERB_SCHEME}}"

Echo, in the page:

  import Echo from 'laravel-echo';
  import Pusher from 'pusher-js';
  window.Pusher = Pusher;
  window.Echo = new Echo({{
      broadcaster: 'reverb',
      key: '{KEY}',
      wsHost: '{host}',
      wsPort: {port},{ws_path}
      forceTLS: false,
      enabledTransports: ['ws', 'wss'],
  }});
  window.Echo.channel('my-channel').listen('.hello', (event) => console.log(event));

Publish to it, in a shell:

  body='{{"name":"hello","channel":"my-channel","data":"{{\"text\":\"Hi\"}}"}}'
  md5=$(printf %s "$body" | openssl dgst -md5 -r | cut -c-32)
  query="auth_key={KEY}&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$md5"
  signature=$(printf 'POST\n/apps/{ID}/events\n%s' "$query" | openssl dgst -sha256 -hmac {SECRET} -r | cut -c-64)
  curl -d "$body" "http://{host}:{port}{path}/apps/{ID}/events?$query&auth_signature=$signature"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ones_that_a_page_can_use() {
        for (address, hostname, path, expect) in [
            ("127.0.0.1:8080", None, "", "http://127.0.0.1:8080/apps"),
            ("0.0.0.0:80", None, "", "http://localhost:80/apps"),
            ("0.0.0.0:80", Some("a.test"), "", "http://a.test:80/apps"),
            ("[::1]:8080", None, "/ws", "http://[::1]:8080/ws/apps"),
        ] {
            let printed = instructions(address.parse().expect("an address"), hostname, path);
            assert!(printed.contains(expect), "{printed}");
            assert_eq!(printed.contains("wsPath: '/ws'"), path == "/ws");
        }
    }
}

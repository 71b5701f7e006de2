//! What `fanfare serve --dev` prints: everything needed to connect an app and to send it something.

use crate::config::{DEV_APP_ID as ID, DEV_APP_KEY as KEY, DEV_APP_SECRET as SECRET};
use std::net::SocketAddr;

/// Credentials, an Echo snippet, a `.env` block and a command that publishes.
pub(super) fn instructions(address: SocketAddr, path: &str) -> String {
    let (host, port) = (address.ip(), address.port());
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
  Echo.channel('my-channel').listen('.hello', (event) => console.log(event));

Publish to it, in a shell:

  body='{{"name":"hello","channel":"my-channel","data":"{{\"text\":\"Hi\"}}"}}'
  md5=$(printf %s "$body" | openssl dgst -md5 -r | cut -c-32)
  query="auth_key={KEY}&auth_timestamp=$(date +%s)&auth_version=1.0&body_md5=$md5"
  signature=$(printf 'POST\n/apps/{ID}/events\n%s' "$query" | openssl dgst -sha256 -hmac {SECRET} -r | cut -c-64)
  curl -d "$body" "http://{address}{path}/apps/{ID}/events?$query&auth_signature=$signature"
"#
    )
}

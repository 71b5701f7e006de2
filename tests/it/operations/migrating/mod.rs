//! What the README says of moving here from other servers, done with what their own instructions have people write.

mod elsewhere;
mod moving;
mod readme;
mod reverb;

use super::check::checked;
use crate::binary::Folder;
use crate::support::{Client, Http, KEY};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A place on this machine.
fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A page joins a private channel as Echo does, the app publishes to it as its library does, and the page hears it.
async fn serves(place: SocketAddr, prefix: &str) {
    let path = format!("{prefix}/app/{KEY}?protocol=7&client=js&version=8.4.0&flash=false");
    let mut page = Client::connect(place, &path).await;
    page.subscribe("private-orders").await;
    assert_eq!(post(place, prefix, &event("private-orders", r#"{"id":7}"#)).await, (200, "{}".to_owned()));
    let expect = json!({ "event": "App\\Events\\Shipped", "channel": "private-orders", "data": r#"{"id":7}"# });
    assert_eq!(page.next().await, expect);
}

fn event(channel: &str, data: &str) -> Value {
    json!({ "name": "App\\Events\\Shipped", "data": data, "channel": channel })
}

/// Publishes; status and body of the answer.
async fn post(place: SocketAddr, prefix: &str, event: &Value) -> (u16, String) {
    let path = format!("{prefix}/apps/{}/events", crate::support::APP);
    let answer = Http::connect(place).await.signed("POST", &path, &event.to_string()).await;
    (answer.status, answer.body)
}

/// The status of a request that is not signed.
async fn status(place: SocketAddr, path: &str) -> u16 {
    Http::connect(place).await.request("GET", path, "").await.status
}

/// The doctor finds nothing wrong.
#[track_caller]
fn is_well(folder: &Folder, args: &[&str]) {
    let output = folder.output(&[&["doctor"], args].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.ends_with("nothing is wrong\n"), "{text}");
    assert!(text.contains("ok     round-trip "), "{text}");
}

/// What `fanfare check` comes to, which must be no mistake.
#[track_caller]
fn settings(env: &str, args: &[&str]) -> Value {
    let (report, code) = checked(&Folder::new(env), args);
    assert_eq!(code, Some(0), "{:#}", report["errors"]);
    report
}

/// The variables that begin the lines of a list in the report.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|line| line.as_str().unwrap().split(' ').next().unwrap()).collect()
}

/// What a command that must fail for its configuration complains of.
#[track_caller]
fn refused(folder: &Folder, args: &[&str]) -> String {
    let output = folder.output(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{error}");
    error
}

//! `/openapi.json`: the routes that are there, and nothing else.

use crate::support::TestServer;
use serde_json::Value;
use std::collections::BTreeSet;

async fn document(server: &TestServer, path: &str) -> Value {
    let answer = server.http().await.request("GET", path, "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("\r\ncontent-type: application/json\r\n"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

/// `(METHOD, path, operation)` of the document.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |op| (path, op)));
    each.map(|(path, (method, operation))| (method.to_uppercase(), &**path, operation)).collect()
}

#[tokio::test]
async fn every_operation_is_a_route_that_answers_as_documented() {
    let server = TestServer::start();
    let document = document(&server, "/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for (method, path, operation) in operations(&document) {
        let mut http = server.http().await;
        let target = path.replace("{app_id}", "3").replace("{channel}", "presence-a").replace("{user_id}", "1");
        let body = if method == "POST" { "{}" } else { "" };
        let unsigned = http.request(&method, &target, "").await;
        let wrong = http.request("DELETE", &target, "").await;
        // Last, as an answer may have no end.
        let signed = http.signed(&method, &target, body).await;
        assert_eq!(wrong.status, 405, "{target}");
        assert_eq!(unsigned.status, if operation["security"].is_null() { 200 } else { 401 }, "{method} {target}");
        for answer in [unsigned, signed, wrong] {
            let documented = &operation["responses"][answer.status.to_string()]["content"];
            let types: Vec<_> = documented.as_object().into_iter().flat_map(|content| content.keys()).collect();
            assert_eq!(types.len(), 1, "{method} {path} answers {} {}", answer.status, answer.body);
            assert!(answer.head.contains(&format!("\r\ncontent-type: {}", types[0])), "{}", answer.head);
        }
    }
}

#[tokio::test]
async fn the_document_holds_together() {
    let server = TestServer::start();
    let document = document(&server, "/openapi.json").await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{path} {name}");
        }
        for scheme in operation["security"][0].as_object().into_iter().flat_map(|all| all.keys()) {
            assert_eq!(document["components"]["securitySchemes"][scheme]["in"], "query", "{scheme}");
        }
    }
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn it_is_there_below_the_prefix_as_well() {
    let server = TestServer::with(|config| config.server.path = "/ws".to_owned());
    let at_root = document(&server, "/openapi.json").await;
    assert_eq!(at_root, document(&server, "/ws/openapi.json").await);
    assert_eq!(at_root["servers"], serde_json::json!([{ "url": "/ws" }, { "url": "/" }]));
}

/// The README lists the same routes, and the one for WebSockets.
#[tokio::test]
async fn the_readme_knows_every_route() {
    let server = TestServer::start();
    let document = document(&server, "/openapi.json").await;
    let mut served: BTreeSet<String> =
        operations(&document).iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    served.insert("GET /app/{key}".to_owned());
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("## What it serves").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let routes = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(routes.map(|route| route.replace("{id}", "{app_id}")).collect::<BTreeSet<_>>(), served);
}

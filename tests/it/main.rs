//! Black-box tests: a server in this process on a free port, or the binary itself, and raw frames.

mod api_auth;
mod api_channels;
mod api_connections;
mod api_cors;
mod api_events;
mod api_idempotency;
mod api_openapi;
mod api_users;
mod binary;
mod bounds;
mod client_events;
mod cluster;
mod config_file;
mod connect;
mod flood;
mod layering;
mod malformed;
mod operations;
mod presence;
mod slow;
mod stop;
mod subscribe;
mod support;
mod users;
mod webhooks;

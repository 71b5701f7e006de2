//! The options of a server: those of `fanfare serve`, and so of all that look at what it would do.
//!
//! Must not know: what is done with them.

use super::place::Place;
use crate::config::Sources;

/// How a server is started.
#[derive(clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    #[arg(
        long,
        value_name = "NAME",
        help = "Name that clients use, to be shown; never listened on [default: REVERB_HOST]"
    )]
    hostname: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        help = "Certificate and chain in PEM, to speak TLS [default: REVERB_SSL_CERT, or that of Herd or Valet for --hostname]"
    )]
    tls_cert: Option<String>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Unix socket to listen on as well
    #[arg(long, value_name = "FILE")]
    unix_socket: Option<String>,
    /// Let another process with this option listen on the same port
    #[arg(long)]
    reuse_port: bool,
    /// How long to go on, but for /ready, when asked to stop [default: 5]
    #[arg(long, value_name = "SECONDS")]
    drain_delay: Option<String>,
    /// Over how long connections are closed then [default: 30]
    #[arg(long, value_name = "SECONDS")]
    drain_window: Option<String>,
    /// Log every connection, message and broadcast
    #[arg(long)]
    debug: bool,
    /// How a line of the log looks: human or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The least that is logged: error, warn, info or debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Options {
    /// All that such a server is configured by.
    pub(super) fn sources(self) -> Sources {
        let switch = |on: bool| on.then(|| "true".to_owned());
        let mut sources = self.place.sources();
        let flags = [
            ("server.hostname", self.hostname, "--hostname"),
            ("server.debug", switch(self.debug), "--debug"),
            ("tls.cert_file", self.tls_cert, "--tls-cert"),
            ("tls.key_file", self.tls_key, "--tls-key"),
            ("server.unix_socket", self.unix_socket, "--unix-socket"),
            ("server.reuse_port", switch(self.reuse_port), "--reuse-port"),
            ("server.drain_delay_secs", self.drain_delay, "--drain-delay"),
            ("server.drain_window_secs", self.drain_window, "--drain-window"),
            ("log.format", self.log_format, "--log-format"),
            ("log.level", self.log_level, "--log-level"),
        ];
        sources.flags.extend(flags.into_iter().filter_map(|(key, value, flag)| Some((key, value?, flag))));
        sources
    }
}

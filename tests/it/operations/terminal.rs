//! A server that people have started on a terminal, and then close that.

use crate::binary::Folder;
use crate::support::eventually;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[tokio::test]
async fn a_server_whose_terminal_is_closed_stops() {
    let folder = Folder::new("REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\n");
    let serve =
        format!("{} serve --host 127.0.0.1 --port 0 --drain-delay 0 --drain-window 0", env!("CARGO_BIN_EXE_fanfare"));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--flush", "--command", &serve, "/dev/null"]).current_dir(folder.path(""));
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(terminal.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = said.find(|line| line.contains("Starting server on ")).expect("it starts");
    let place = line.trim().rsplit(' ').next().unwrap().to_owned();
    TcpStream::connect(&place).unwrap();
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    eventually("the end of the server", || TcpStream::connect(&place).is_err()).await;
}

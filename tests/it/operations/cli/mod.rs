//! The commands that talk to a running server, run as people run them.

mod asking;
mod following;
mod listening;

use crate::binary::{Folder, Running};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

pub(crate) const APP: &str = "REVERB_APP_ID=1\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\n";

/// A server with its folder, and the port that it has found.
pub(crate) struct Site {
    pub(crate) folder: Folder,
    pub(crate) server: Running,
    pub(crate) port: String,
}

impl Site {
    /// One that is configured so, besides its app.
    pub(crate) fn start(env: &str) -> Self {
        Self::at(Folder::new(&format!("{APP}{env}")), &[])
    }

    /// One in a folder that is there.
    pub(crate) fn at(folder: Folder, options: &[&str]) -> Self {
        let args = [&["serve", "--host", "127.0.0.1", "--port", "0"], options].concat();
        let server = Running::start(folder.fanfare(&args));
        let port = server.address.split('/').next().unwrap().rsplit(':').next().unwrap().to_owned();
        Self { folder, server, port }
    }

    /// A command that asks this server.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.folder.fanfare(&[args, &["--port", &self.port]].concat())
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints, which must succeed.
    #[track_caller]
    pub(crate) fn prints(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {}", error(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command that goes on.
    pub(crate) fn follow(&self, args: &[&str]) -> Following {
        Following::start(self.command(args))
    }
}

/// What a command complains of, in one line.
#[track_caller]
pub(crate) fn error(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(text.lines().count() <= 1, "more than one line: {text}");
    text
}

/// A command that fails with `code`, and in one line that has all `parts`.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32, parts: &[&str]) {
    let text = error(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

/// A command that runs on; killed if the test fails before it ends.
pub(crate) struct Following {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Following {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: BufReader::new(out), err: BufReader::new(err) }
    }

    /// Reads on until the command says so beside its output. It must end by itself if it never does.
    #[track_caller]
    pub(crate) fn until(&mut self, part: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.err.read_line(&mut line).unwrap() > 0, "{part} never came, but {all}");
            if line.contains(part) {
                return line;
            }
            all.push_str(&line);
        }
    }

    /// The next line of output.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "it has ended: {}", self.rest());
        line.trim_end().to_owned()
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.err.read_to_string(&mut rest).unwrap();
        rest
    }

    /// What else it prints until it ends, what it complains of, and how it ends.
    pub(crate) fn ended(mut self) -> (String, String, Option<i32>) {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let err = self.rest();
        (out, err, self.child.wait().unwrap().code())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command that reads `input`.
pub(crate) fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

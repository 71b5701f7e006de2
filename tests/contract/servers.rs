//! What tests of the bus do with servers besides starting them.

#[path = "../support/servers/mod.rs"]
mod started;

pub(crate) use started::*;
use std::process::Command;

impl Folder {
    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// Puts an authority there (`ca.pem`), and what it signs for 127.0.0.1 (`cert.pem`, `key.pem`).
    pub(crate) fn certify(&self) {
        let new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        std::fs::write(self.file("names"), "subjectAltName=IP:127.0.0.1").unwrap();
        self.openssl(&format!("{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
        self.openssl(&format!("{new} -subj /CN=bus -keyout key.pem -out request.pem"));
        self.openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
        );
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(self.path()).output();
        let output = output.expect("openssl must be installed (`make tools`)");
        assert!(output.status.success(), "{output:?}");
    }
}

impl Server {
    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.running.as_ref().unwrap().child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

//! `fanfare keys`.

use super::print::{fail, say};
use clap::ValueEnum;
use serde_json::json;
use std::process::ExitCode;

/// Letters and digits of a key, of 36 different ones: more than anybody guesses, and few enough to be copied.
const KEY_CHARS: usize = 20;
/// Those of a secret.
const SECRET_CHARS: usize = 32;

/// Make credentials for a new app.
///
/// They are random and kept nowhere: they count once they are in .env or in the config file.
#[derive(clap::Args)]
pub(super) struct Keys {
    /// What to write them for
    #[arg(long, value_enum, default_value = "env")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines of .env
    Env,
    /// A table of the config file
    Toml,
    /// For programs
    Json,
}

impl Keys {
    pub(super) fn run(self) -> ExitCode {
        match credentials() {
            Ok(credentials) => {
                say(&written(if self.json { Format::Json } else { self.format }, &credentials));
                ExitCode::SUCCESS
            }
            Err(error) => fail(&format!("the system gives no random numbers: {error}; try again")),
        }
    }
}

struct Credentials {
    id: String,
    key: String,
    secret: String,
}

/// An id of six digits, as `reverb:install` makes them, a key and a secret.
fn credentials() -> Result<Credentials, getrandom::Error> {
    let id = 100_000 + getrandom::u64()? % 900_000;
    Ok(Credentials { id: id.to_string(), key: random(KEY_CHARS)?, secret: random(SECRET_CHARS)? })
}

/// So many letters and digits, each as likely as the others.
fn random(chars: usize) -> Result<String, getrandom::Error> {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(chars);
    while text.len() < chars {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        // The bytes from 252 on would make the first few letters likelier.
        let fair = bytes.iter().filter(|byte| **byte < 252).map(|byte| char::from(ALPHABET[usize::from(*byte) % 36]));
        text.extend(fair.take(chars - text.len()));
    }
    Ok(text)
}

fn written(format: Format, Credentials { id, key, secret }: &Credentials) -> String {
    match format {
        // A file that it is added to may not end with a line break.
        Format::Env => format!("\nREVERB_APP_ID={id}\nREVERB_APP_KEY={key}\nREVERB_APP_SECRET={secret}"),
        Format::Toml => format!("[[apps]]\nid = \"{id}\"\nkey = \"{key}\"\nsecret = \"{secret}\""),
        Format::Json => json!({ "id": id, "key": key, "secret": secret }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_long_as_asked_for() {
        for chars in [0, 1, 20, 200] {
            let text = random(chars).unwrap();
            assert!(
                text.len() == chars && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "{text}"
            );
        }
        assert_ne!(random(20).unwrap(), random(20).unwrap());
    }
}

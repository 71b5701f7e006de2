//! Members of presence channels, as clients introduce them (spec 2.6).

use super::ids::UserId;
use super::json::{integer, object, text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// One person in a presence channel: an id and what the app says about them.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is; several connections may be the same member (M2).
    pub id: UserId,
    /// `user_info` as the app wrote it, `{}` if it wrote none (M3).
    pub info: Arc<RawValue>,
}

/// Why `channel_data` does not name a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMember {
    /// Not a JSON object, or the id is missing or of a wrong type.
    #[error("channel_data must be a JSON object with a user_id that is a non-empty string or an integer")]
    Shape,
    /// The id is over the app's limit (M4).
    #[error("user_id may have at most {0} characters")]
    IdTooLong(usize),
    /// The info is over the app's limit (M4).
    #[error("user_info may have at most {0} bytes")]
    InfoTooBig(usize),
}

impl Member {
    /// Reads `channel_data`. An integer id becomes its digits, as they were written (M1, M12).
    pub fn parse(channel_data: &str, max_id_chars: usize, max_info_bytes: usize) -> Result<Self, InvalidMember> {
        #[derive(Deserialize)]
        struct ChannelData<'a> {
            #[serde(borrow)]
            user_id: &'a RawValue,
            #[serde(borrow)]
            user_info: Option<&'a RawValue>,
        }
        let data: ChannelData<'_> = object(channel_data).map_err(|_| InvalidMember::Shape)?;
        let id = text(data.user_id).or_else(|| integer(data.user_id)).filter(|id| !id.is_empty());
        let id = id.ok_or(InvalidMember::Shape)?;
        if id.chars().count() > max_id_chars {
            return Err(InvalidMember::IdTooLong(max_id_chars));
        }
        let member = Self::new(UserId::new(&id), data.user_info);
        member.check_info(max_info_bytes)?;
        Ok(member)
    }

    /// A member whom another node introduces; `None` if `info` is not JSON.
    pub fn introduced(id: &str, info: &str) -> Option<Self> {
        let info = RawValue::from_string(info.to_owned()).ok()?;
        Some(Self { id: UserId::new(id), info: info.into() })
    }

    /// A member with what the app says about them; nothing is `{}`.
    pub(super) fn new(id: UserId, info: Option<&RawValue>) -> Self {
        let info = info.map_or("{}", RawValue::get).to_owned();
        let info = RawValue::from_string(info).expect("a part of valid JSON is valid");
        Self { id, info: info.into() }
    }

    /// Whether the info is within the app's limit (M4).
    pub fn check_info(&self, max_bytes: usize) -> Result<(), InvalidMember> {
        if self.info.get().len() > max_bytes { Err(InvalidMember::InfoTooBig(max_bytes)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(channel_data: &str, expect: Result<(&str, &str), InvalidMember>) {
        let member = Member::parse(channel_data, 8, 20);
        let got = member.map(|m| (m.id.as_str().to_owned(), m.info.get().to_owned()));
        assert_eq!(got, expect.map(|(id, info)| (id.to_owned(), info.to_owned())), "{channel_data}");
    }

    #[test]
    fn ids_are_strings_or_integers() {
        check(r#"{"user_id":"7","user_info":{"name":"A"}}"#, Ok(("7", r#"{"name":"A"}"#)));
        check(r#"{"user_id":10}"#, Ok(("10", "{}")));
        check(r#"{"user_id":-5}"#, Ok(("-5", "{}")));
        check(r#"{"user_id":"é\u00e9"}"#, Ok(("éé", "{}")));
        for id in ["1.5", "1e3", "true", "null", "{}", "[]", r#""""#] {
            check(&format!(r#"{{"user_id":{id}}}"#), Err(InvalidMember::Shape));
        }
        for data in ["", "x", "[]", "{}", r#"["7",{}]"#, r#""a""#, r#"{"user_info":{}}"#] {
            check(data, Err(InvalidMember::Shape));
        }
    }

    #[test]
    fn large_integers_keep_their_digits() {
        let member = Member::parse(r#"{"user_id":123456789012345678901234567890}"#, 128, 1024).unwrap();
        assert_eq!(member.id.as_str(), "123456789012345678901234567890");
    }

    #[test]
    fn info_is_any_json_and_kept_as_written() {
        check(r#"{"user_id":"7","user_info":true}"#, Ok(("7", "true")));
        check(r#"{"user_id":"7","user_info":{ "a" : 1 }}"#, Ok(("7", r#"{ "a" : 1 }"#)));
        check(r#"{"user_id":"7","user_info":null}"#, Ok(("7", "{}")));
    }

    #[test]
    fn limits_are_the_largest_values_that_pass() {
        check(r#"{"user_id":"éééééééé"}"#, Ok(("éééééééé", "{}")));
        check(r#"{"user_id":"123456789"}"#, Err(InvalidMember::IdTooLong(8)));
        check(r#"{"user_id":"7","user_info":"123456789012345678"}"#, Ok(("7", r#""123456789012345678""#)));
        check(r#"{"user_id":"7","user_info":"1234567890123456789"}"#, Err(InvalidMember::InfoTooBig(20)));
    }
}

//! Signed-in users, as their app introduces them (spec 4.1).

use super::channel::in_alphabet;
use super::ids::UserId;
use super::json::{integer, object, text};
use super::presence::Member;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A user whose app vouches for the connection.
#[derive(Clone, Debug)]
pub struct User {
    /// Who it is, and what presence channels show of them when they join without `channel_data` (M10).
    pub member: Member,
    /// The users to watch, each once, in the order they were named (4.3).
    pub watchlist: Vec<UserId>,
}

/// Why `user_data` introduces nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    /// Not a JSON object, or the id is not a non-empty string (U2).
    #[error("user_data must be a JSON object with an id that is a non-empty string")]
    Shape,
    /// The id could not stand in the name of the user's channel (U3).
    #[error("the id in user_data may only have letters, digits and _ - = @ , . ;")]
    Alphabet,
    /// The id is over the app's limit (U3).
    #[error("the id in user_data may have at most {0} characters")]
    IdTooLong(usize),
    /// The watchlist is no list of ids.
    #[error("the watchlist in user_data must be an array of user ids")]
    Watchlist,
}

impl User {
    /// Reads `user_data`. The watchlist is only read if `watches` (W6); an integer in it stands for its digits, as in
    /// presence channels.
    pub fn parse(user_data: &str, max_id_chars: usize, watches: bool) -> Result<Self, InvalidUser> {
        #[derive(Deserialize)]
        struct UserData<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
            #[serde(borrow)]
            user_info: Option<&'a RawValue>,
            #[serde(borrow)]
            watchlist: Option<&'a RawValue>,
        }
        let data: UserData<'_> = object(user_data).map_err(|_| InvalidUser::Shape)?;
        let id = text(data.id).filter(|id| !id.is_empty()).ok_or(InvalidUser::Shape)?;
        if !in_alphabet(&id) {
            return Err(InvalidUser::Alphabet);
        }
        if id.len() > max_id_chars {
            return Err(InvalidUser::IdTooLong(max_id_chars));
        }
        let watchlist = data.watchlist.filter(|_| watches).map(watchlist).transpose()?.unwrap_or_default();
        Ok(Self { member: Member::new(UserId::new(&id), data.user_info), watchlist })
    }
}

/// The distinct ids in the JSON array `list`.
fn watchlist(list: &RawValue) -> Result<Vec<UserId>, InvalidUser> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| InvalidUser::Watchlist)?;
    let mut ids = indexmap::IndexSet::with_capacity(list.len());
    for id in list {
        let id = text(id).or_else(|| integer(id)).ok_or(InvalidUser::Watchlist)?;
        ids.insert(UserId::new(&id));
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user_data: &str, expect: Result<(&str, &str, &[&str]), InvalidUser>) {
        let got = User::parse(user_data, 8, true).map(|user| {
            let watched: Vec<_> = user.watchlist.iter().map(|id| id.as_str().to_owned()).collect();
            (user.member.id.as_str().to_owned(), user.member.info.get().to_owned(), watched)
        });
        let own = |(id, info, list): (&str, &str, &[&str])| {
            (id.to_owned(), info.to_owned(), list.iter().map(|id| (*id).to_owned()).collect())
        };
        assert_eq!(got, expect.map(own), "{user_data}");
    }

    #[test]
    fn users_have_an_id_and_perhaps_more() {
        check(r#"{"id":"12345"}"#, Ok(("12345", "{}", &[])));
        check(r#"{"id":"a@b.c","user_info":{ "n": 1 },"more":[]}"#, Ok(("a@b.c", r#"{ "n": 1 }"#, &[])));
        check(r#"{"id":"1","user_info":null,"watchlist":null}"#, Ok(("1", "{}", &[])));
        check(r#"{"id":"1","watchlist":["2","3","2",4,"4"]}"#, Ok(("1", "{}", &["2", "3", "4"])));
    }

    #[test]
    fn ids_are_strings_that_fit_into_a_channel_name() {
        for data in ["", "x", "[]", "{}", r#"{"id":1}"#, r#"{"id":""}"#, r#"{"id":null}"#, r#"{"id":["a"]}"#] {
            check(data, Err(InvalidUser::Shape));
        }
        for id in ["a b", "a/b", "#a", "é", "a:b"] {
            check(&format!(r#"{{"id":"{id}"}}"#), Err(InvalidUser::Alphabet));
        }
        check(r#"{"id":"12345678"}"#, Ok(("12345678", "{}", &[])));
        check(r#"{"id":"123456789"}"#, Err(InvalidUser::IdTooLong(8)));
    }

    #[test]
    fn a_watchlist_is_a_list_of_ids() {
        for list in ["{}", r#""2""#, "[null]", "[1.5]", "[[]]", r#"["\ud800"]"#] {
            let data = format!(r#"{{"id":"1","watchlist":{list}}}"#);
            check(&data, Err(InvalidUser::Watchlist));
            assert!(User::parse(&data, 8, false).is_ok_and(|user| user.watchlist.is_empty()), "{data}");
        }
    }
}

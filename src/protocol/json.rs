//! JSON texts that pass through the server without being decoded.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// Reads a JSON object, or says why it is none. serde would also take an array for a struct, field by field.
pub fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    if !json.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err("expected an object".to_owned());
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// A text for a line of the log: what a terminal would act on, or turn around as it shows it, becomes blanks.
pub fn one_line(text: &str) -> String {
    text.chars().take(500).map(|c| if acts(c) { ' ' } else { c }).collect()
}

/// Whether a terminal acts on the character, ends a line at it, or shows what follows in another direction.
pub fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON string holding `text`.
pub fn quote(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("a str always serialises")
}

/// Whether the value is a JSON string.
fn is_string(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// The text of a JSON string, `None` for any other value. An escape that is no character, such as half of a
/// surrogate pair, is no text either.
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    is_string(value).then(|| serde_json::from_str::<Text<'_>>(value.get()).ok()).flatten().map(|text| text.0)
}

/// The digits of a JSON integer as they were written, `None` for any other value.
pub fn integer(value: &RawValue) -> Option<Cow<'_, str>> {
    let digits = value.get().strip_prefix('-').unwrap_or(value.get());
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| value.get().into())
}

/// Event data as it stands in a frame: always a JSON string. A string is kept as it was written, any other value is
/// written without blanks and put into a string (L9). `None` for a string with an escape that is no character.
pub fn data(value: &RawValue) -> Option<Cow<'_, RawValue>> {
    if !is_string(value) {
        return Some(Cow::Owned(quote(&compact(value.get()))));
    }
    // serde_json leaves `\u` escapes unread in a raw value, and clients' parsers differ on broken ones.
    if value.get().contains("\\u") && text(value).is_none() {
        return None;
    }
    Some(Cow::Borrowed(value))
}

/// Whether the text of the JSON string `data` is over `max` bytes of UTF-8. Escapes are longer than what they stand
/// for, so most strings need not be read.
pub fn is_longer_than(data: &RawValue, max: usize) -> bool {
    data.get().len() - 2 > max && text(data).is_none_or(|text| text.len() > max)
}

/// Drops the blanks between the tokens of a valid JSON text.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        if in_string {
            in_string = escaped || *c != '"';
            escaped = !escaped && *c == '\\';
            return true;
        }
        in_string = *c == '"';
        !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Deserialize)]
        struct One {
            one: u8,
        }
        assert_eq!(object::<One>(" {\"one\":1}").map(|o| o.one), Ok(1));
        assert!(object::<One>("[1]").is_err());
        assert!(object::<One>("").is_err());
    }

    #[test]
    fn strings_stay_as_written() {
        for json in [r#""""#, r#""a\/b\u00e9\n""#, r#""\ud83d\ude00""#, r#""{\"a\":1}""#] {
            assert_eq!(data(raw(json)).unwrap().get(), json);
        }
    }

    #[test]
    fn other_values_become_strings_without_blanks() {
        let cases = [
            ("null", r#""null""#),
            ("1.0", r#""1.0""#),
            (r#"{ "b" : "x \" y" , "a":[1, 2 ,{}] }"#, r#""{\"b\":\"x \\\" y\",\"a\":[1,2,{}]}""#),
            (r#"[ "a\\" , " b " ]"#, r#""[\"a\\\\\",\" b \"]""#),
            ("12345678901234567890.5e3", r#""12345678901234567890.5e3""#),
        ];
        for (json, expect) in cases {
            assert_eq!(data(raw(json)).unwrap().get(), expect);
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for json in [r#""\ud800""#, r#""\udc00x""#, r#""\ud800\u0041""#] {
            assert!(data(raw(json)).is_none(), "{json}");
        }
    }

    #[test]
    fn length_is_that_of_the_decoded_text() {
        assert!(!is_longer_than(raw(r#""\u00e9\u00e9""#), 4));
        assert!(is_longer_than(raw(r#""\u00e9\u00e9""#), 3));
        assert!(!is_longer_than(raw(r#""abc""#), 3));
        assert!(is_longer_than(raw(r#""abcd""#), 3));
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(value in "[ -~é\\n\"\\\\]{0,20}", n in any::<i64>()) {
            let json = serde_json::json!({ "a": [value, n, null], "b c": { value: true } });
            let pretty = serde_json::to_string_pretty(&json).unwrap();
            prop_assert_eq!(compact(&pretty), serde_json::to_string(&json).unwrap());
        }
    }
}

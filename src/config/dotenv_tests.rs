use super::*;
use proptest::prelude::*;

fn environment() -> BTreeMap<String, String> {
    BTreeMap::from([("HOME".to_owned(), "/home/me".to_owned()), ("SHARED".to_owned(), "process".to_owned())])
}

/// The last variable of `text`, by name.
fn check(text: &str, name: &str, expect: Option<&str>) {
    let entries = parse(text, &environment()).unwrap();
    assert_eq!(entries.get(name).map(|entry| entry.value.as_str()), expect, "{text:?}");
}

fn check_value(text: &str, expect: &str) {
    check(&format!("A={text}"), "A", Some(expect));
}

fn check_broken(text: &str, line: usize, problem: &str) {
    assert_eq!(parse(text, &environment()), Err(Broken { line, problem: problem.to_owned() }), "{text:?}");
}

#[test]
fn lines_end_in_every_way() {
    for text in ["A=1\nB=2", "A=1\r\nB=2\r\n", "A=1\rB=2\r", "\u{feff}A=1\n\n  \n\t# c\n#c\nB=2"] {
        check(text, "A", Some("1"));
        check(text, "B", Some("2"));
    }
    check("", "A", None);
    check("#A=1", "A", None);
    check("  # A=1", "A", None);
}

#[test]
fn names() {
    check("A_b.9=1", "A_b.9", Some("1"));
    check("  NAME \t=  1  ", "NAME", Some("1"));
    check("export NAME=1", "NAME", Some("1"));
    check("export\tNAME=1", "NAME", Some("1"));
    check("  export   NAME = 1", "NAME", Some("1"));
    check("export=1", "export", Some("1"));
    check("exported=1", "exported", Some("1"));
    check("\"NAME\"=1", "NAME", Some("1"));
    check("'NAME'=1", "NAME", Some("1"));
    check("export 'NAME'=1", "NAME", Some("1"));
}

#[test]
fn a_line_without_equals_sets_nothing() {
    check("NAME", "NAME", None);
    check("NAME=1\nNAME", "NAME", None);
    check("export NAME\nB=1", "B", Some("1"));
}

#[test]
fn unquoted_values() {
    check_value("", "");
    check_value("   ", "");
    check_value("abc", "abc");
    check_value("a=b==", "a=b==");
    check_value("abc#def", "abc");
    check_value("abc # def", "abc");
    check_value("abc #", "abc");
    check_value("#abc", "");
    check_value(" # abc", "");
    check_value("abc \t ", "abc");
    check_value(r"a\nb\", r"a\nb\");
    check_value("a\"b\"c'd'", "a\"b\"c'd'");
    check_value("pa$word", "pa$word");
    check_value("$HOME", "$HOME");
    check_value("a!@%^&*()-+[]{}|;:,.<>?/~`é", "a!@%^&*()-+[]{}|;:,.<>?/~`é");
}

#[test]
fn single_quotes_are_literal() {
    check_value(r"'a b # \n $HOME ${HOME} $'", r"a b # \n $HOME ${HOME} $");
    check_value("''", "");
    check_value("'a' # b", "a");
    check_value("'a'#b", "a");
    check_value("'a\"b'", "a\"b");
}

#[test]
fn double_quotes_have_escapes() {
    check_value(r#""a b # c""#, "a b # c");
    check_value(r#""\" \\ \$ \f \n \r \t \v""#, "\" \\ $ \x0c \n \r \t \x0b");
    check_value(r#""\nab""#, "\nab");
    check_value(r#""\${HOME}""#, "${HOME}");
    check_value(r#""""#, "");
    check_value(r#""a" # b"#, "a");
    check_value(r#""it's""#, "it's");
    check_value(r#""ends in \\""#, r"ends in \");
}

#[test]
fn double_quotes_span_lines() {
    check_value("\"a\nb\r\nc\"", "a\nb\nc");
    check_value("\"a\n# not a comment\n\"", "a\n# not a comment\n");
    check_value("\"a\nb\" # c\nB=1", "a\nb");
    check("A=\"a\nb\"\nB=1", "B", Some("1"));
    check("A=\"a\n\nb=\\\"1\\\"\nc\"\nB=1", "B", Some("1"));
}

#[test]
fn an_open_quote_in_a_comment_swallows_lines_as_in_laravel() {
    check("# A=\"x\nB=1\nC=\"2\"\nD=3", "B", None);
    check("# A=\"x\nB=1\nC=\"2\"\nD=3", "C", None);
    check("# A=\"x\nB=1\nC=\"2\"\nD=3", "D", Some("3"));
}

#[test]
fn variables_in_braces_are_replaced() {
    check_value("${HOME}/x", "/home/me/x");
    check_value("\"${HOME} ${HOME}\"", "/home/me /home/me");
    check_value("'${HOME}'", "${HOME}");
    check_value("${UNKNOWN}", "${UNKNOWN}");
    check_value("${HOME", "${HOME");
    check_value("${}", "${}");
    check_value("${HO-ME}", "${HO-ME}");
    check_value("$${HOME}", "$/home/me");
    check("B=1\nA=${B}", "A", Some("1"));
    check("A=${B}\nB=1", "A", Some("${B}"));
    check("A=x\nA=${A}y", "A", Some("xy"));
    check("A='${HOME}'\nB=${A}", "B", Some("${HOME}"));
    check("SHARED=file\nA=${SHARED}", "A", Some("process"));
    check("B=HO\nA=${${B}ME}", "A", Some("/home/me"));
}

#[test]
fn the_later_definition_wins() {
    check("A=1\nA=2", "A", Some("2"));
    assert_eq!(parse("A=1\n\nA=2", &environment()).unwrap()["A"], Entry { value: "2".to_owned(), line: 3 });
    assert_eq!(parse("A=\"1\n\"\nB=2", &environment()).unwrap()["B"].line, 3);
}

#[test]
fn one_broken_line_refuses_the_file() {
    let name = "this is not NAME=value: a name has letters, digits, _ and . only, and a comment starts with #";
    check_broken("A=1\n=2", 2, "nothing stands before the =: write NAME=value");
    check_broken("MY-NAME=1", 1, name);
    check_broken("a stray line", 1, name);
    check_broken("A=1\n\nMIIEvQIBADANBg/kqhkiG9w0", 3, name);
    check_broken("A=a b", 1, "A has unexpected whitespace: put the value in double quotes");
    check_broken("A=\"a\" b", 1, "A has text after its closing quote: escape the quote inside as \\\"");
    check_broken("A='it's'", 1, "A has text after its closing quote: escape the quote inside as \\\"");
    check_broken("A='a", 1, "A has no closing quote: add it");
    check_broken("A = \"a\nb\"", 1, "A has no closing quote: add it");
    let escape = r"A has an unexpected escape sequence: write \\ for a backslash, or use single quotes";
    check_broken(r#"A="C:\dir""#, 1, escape);
    let open = "a double quote is opened and never closed, so the rest of the file is lost: close it";
    check_broken("B=1\nA=\"a\nC=1", 2, open);
}

/// Text made of what the reader looks for.
fn dotenv() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("A=".to_owned()),
        4 => Just("\n".to_owned()),
        2 => Just("\"".to_owned()),
        2 => Just("\r\n".to_owned()),
        1 => "['\\\\=#$ \t\r{}]",
        1 => prop_oneof![Just("export ".to_owned()), Just("${A}".to_owned()), Just("B.b".to_owned())],
        2 => "[a-z§]{1,3}",
        1 => ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Every file is read, or refused with one of its lines and without a value.
    #[test]
    fn any_text_is_read_or_refused(text in dotenv()) {
        let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
        match parse(&text, &environment()) {
            Ok(entries) => for (name, entry) in &entries {
                prop_assert!(is_name(name) && (1..=lines).contains(&entry.line), "{:?}", entry);
            },
            Err(broken) => {
                prop_assert!((1..=lines).contains(&broken.line), "{:?}", broken);
                prop_assert!(!broken.problem.contains('§') && !broken.problem.contains('\n'), "{:?}", broken);
            }
        }
    }

    /// Whatever a secret is, there is a way to write it, and it is read as it is.
    #[test]
    fn a_quoted_value_is_read_as_it_is(
        before in "[a-z ]{0,5}",
        value in "([ -~é\n\r\t]|[$][{]HOME[}]){0,20}",
        after in "( #[^\n\r]{0,5})?",
    ) {
        let mut escaped = String::new();
        for c in value.chars() {
            match c {
                '"' | '\\' | '$' => escaped.extend(['\\', c]),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                _ => escaped.push(c),
            }
        }
        let text = format!("# {before}\nA=\"{escaped}\"{after}\nB='{before}'\nC=${{A}}");
        let entries = parse(&text, &environment());
        let entries = entries.map_err(|broken| TestCaseError::fail(format!("{text:?}: {broken:?}")))?;
        for (name, expect) in [("A", &value), ("B", &before), ("C", &value)] {
            prop_assert_eq!(&entries[name].value, expect, "{:?}", text);
        }
        prop_assert_eq!(["A", "B", "C"].map(|name| entries[name].line), [2, 3, 4]);
    }
}

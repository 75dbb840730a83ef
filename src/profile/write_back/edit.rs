//! Changes members of one profile in the text of config.json: the bytes of their values, and no others.

use std::ops::Range;

use serde_json::Value;
use zeroize::Zeroizing;

use super::scan::{self, Member, Object, Refusal};

/// A new value of a member of a profile.
#[derive(Clone, Copy)]
pub(crate) enum NewValue<'a> {
    Text(&'a str),
    Number(i64),
    /// A value that SDKs take for unset: an empty text, or 0. A member that is not there is not added.
    #[cfg(feature = "login")]
    Cleared,
}

/// The reason why a text is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotEdited {
    /// It is not what a JSON parser would give back.
    NotJson,
    Duplicate,
    /// The profile is gone, or is there twice.
    NoSuchProfile,
    /// A profile of that name is there already.
    #[cfg(feature = "login")]
    ProfileExists,
    /// The change does not read back as it was meant.
    NotFaithful,
}

impl NotEdited {
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::NotJson => "it holds more than JSON (comments, trailing commas) or is nested too deeply",
            Self::Duplicate => "it has a key twice",
            Self::NoSuchProfile => "the profile is not there any more, or is there twice",
            #[cfg(feature = "login")]
            Self::ProfileExists => "a profile of that name is there already",
            Self::NotFaithful => "it would not read back as it was meant",
        }
    }
}

impl From<Refusal> for NotEdited {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotJson | Refusal::TooDeep => Self::NotJson,
            Refusal::Duplicate => Self::Duplicate,
        }
    }
}

impl NewValue<'_> {
    /// The value in the place of `old`; `None` if there is to be none.
    #[cfg_attr(not(feature = "login"), allow(unused_variables))]
    pub(super) fn json(self, old: Option<&Value>) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::from(text)),
            Self::Number(number) => Some(Value::from(number)),
            #[cfg(feature = "login")]
            Self::Cleared => match old? {
                Value::String(_) => Some(Value::from("")),
                Value::Number(_) => Some(Value::from(0)),
                other => Some(other.clone()),
            },
        }
    }
}

/// The texts that take the place of parts of another.
#[derive(Default)]
pub(super) struct Splices(Vec<(Range<usize>, Zeroizing<String>)>);

impl Splices {
    pub(super) fn replace(&mut self, span: Range<usize>, by: Zeroizing<String>) {
        self.0.push((span, by));
    }

    pub(super) fn apply(mut self, text: &str, before: &str) -> Zeroizing<String> {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Zeroizing::new(String::with_capacity(before.len() + text.len() + 8 * 1024));
        out.push_str(before);
        let mut copied = 0;
        for (span, written) in &self.0 {
            out.push_str(&text[copied..span.start]);
            out.push_str(written);
            copied = span.end;
        }
        out.push_str(&text[copied..]);
        out
    }
}

/// The byte order mark of a text, if it has one, and the rest.
pub(super) fn split_mark(text: &str) -> (&str, &str) {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    text.split_at(mark)
}

/// Returns the text if it reads as it was meant.
pub(super) fn faithful(out: Zeroizing<String>, meant: &Value) -> Result<Zeroizing<String>, NotEdited> {
    let after: Value = serde_json::from_str(split_mark(&out).1).map_err(|_| NotEdited::NotFaithful)?;
    if after == *meant { Ok(out) } else { Err(NotEdited::NotFaithful) }
}

/// Returns the text with the members of the profile changed. Members that are not there are put behind the last one, in the
/// manner of those that are. A member that has its value already keeps its bytes.
pub(crate) fn edit(
    text: &str,
    profile: &str,
    changes: &[(&str, NewValue<'_>)],
) -> Result<Zeroizing<String>, NotEdited> {
    let (mark, json) = split_mark(text);
    let before: Value = serde_json::from_str(json).map_err(|_| NotEdited::NotJson)?;
    let (at, object) = find(json, profile)?;
    let mut splices = Splices::default();
    let mut added = Zeroizing::new(String::new());
    let mut meant = before.clone();
    for (name, value) in changes {
        let old = before["profiles"][at].get(name);
        let Some(new) = value.json(old) else { continue };
        let written = Zeroizing::new(new.to_string());
        match object.member(name) {
            Some(_) if old == Some(&new) => {}
            Some(member) => splices.replace(member.value.clone(), written),
            None => {
                let name = Value::from(*name).to_string();
                let manner = Manner::of(json, &object);
                added.push_str(&format!("{}{name}{}{}", manner.between, manner.colon, written.as_str()));
            }
        }
        meant["profiles"][at][*name] = new;
    }
    // A profile has a name, so there is a last member.
    if let Some(last) = object.members.last().filter(|_| !added.is_empty()) {
        splices.replace(last.value.end..last.value.end, added);
    }
    faithful(splices.apply(json, mark), &meant)
}

/// Finds the profile of that name: its place in the list, and its members.
pub(super) fn find(json: &str, profile: &str) -> Result<(usize, Object), NotEdited> {
    let root = scan::document(json)?;
    let profiles = root.member("profiles").ok_or(NotEdited::NoSuchProfile)?;
    let elements = scan::elements_at(json, &profiles.value)?.ok_or(NotEdited::NoSuchProfile)?;
    let mut found = None;
    for (at, span) in elements.iter().enumerate() {
        let Some(object) = scan::object_at(json, span)? else { continue };
        let name = object.member("name").map(|member| &json[member.value.clone()]);
        if name.and_then(|name| serde_json::from_str::<String>(name).ok()).as_deref() == Some(profile)
            && found.replace((at, object)).is_some()
        {
            return Err(NotEdited::NoSuchProfile);
        }
    }
    found.ok_or(NotEdited::NoSuchProfile)
}

/// The manner in which an object separates its members.
pub(super) struct Manner {
    /// The comma and what follows it.
    pub(super) between: String,
    /// The colon and what is around it.
    pub(super) colon: String,
}

impl Manner {
    pub(super) fn of(json: &str, object: &Object) -> Self {
        let colon = |member: &Member| {
            let whole = &json[member.start..member.value.start];
            whole.rfind(':').map(|_| whole[whole.rfind('"').map_or(0, |quote| quote + 1)..].to_owned())
        };
        let between = match object.members.as_slice() {
            [.., before, last] => json[before.value.end..last.start].to_owned(),
            // The only one: what stands before it, behind the brace.
            [only] => format!(",{}", &json[object.span.start + 1..only.start]),
            [] => ",".to_owned(),
        };
        let colon = object.members.last().and_then(colon).unwrap_or_else(|| ":".to_owned());
        Self { between, colon }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHANGES: [(&str, NewValue<'_>); 2] =
        [("sts_token", NewValue::Text("new")), ("sts_expiration", NewValue::Number(9))];

    fn edited(text: &str) -> Result<String, NotEdited> {
        edit(text, "a", &CHANGES).map(|text| text.to_string())
    }

    #[test]
    fn the_values_are_changed_and_no_other_byte_is() {
        for (before, after) in [
            (
                "\u{feff}{\n\t\"zeta\": 1.0e+2,\n\t\"profiles\": [\n\t\t{ \"name\": \"b\", \"sts_token\": \"x\" },\r\n\t\t{\n\t\t\t\"sts_token\" : \"old\",\n\t\t\t\"name\":\"a\", \"sts_expiration\":1 ,\"unknown\": {\"k\": [1e4, null]}\n\t\t}\n\t]\n}\n\n",
                "\u{feff}{\n\t\"zeta\": 1.0e+2,\n\t\"profiles\": [\n\t\t{ \"name\": \"b\", \"sts_token\": \"x\" },\r\n\t\t{\n\t\t\t\"sts_token\" : \"new\",\n\t\t\t\"name\":\"a\", \"sts_expiration\":9 ,\"unknown\": {\"k\": [1e4, null]}\n\t\t}\n\t]\n}\n\n",
            ),
            (r#"{"profiles":[{"name":"a"}]}"#, r#"{"profiles":[{"name":"a","sts_token":"new","sts_expiration":9}]}"#),
            (
                "{\"profiles\": [\n    {\n        \"name\": \"a\",\n        \"mode\" : \"OAuth\"\n    }\n]}",
                "{\"profiles\": [\n    {\n        \"name\": \"a\",\n        \"mode\" : \"OAuth\",\n        \"sts_token\" : \"new\",\n        \"sts_expiration\" : 9\n    }\n]}",
            ),
            (
                r#"{"profiles":[{"na\u006de":"\u0061","sts_token":"\"}]","sts_expiration":9.0}]}"#,
                r#"{"profiles":[{"na\u006de":"\u0061","sts_token":"new","sts_expiration":9}]}"#,
            ),
        ] {
            assert_eq!(edited(before), Ok(after.to_owned()), "{before}");
        }
    }

    /// A file as the CLI writes it, with a profile of every mode and what SDKs and people add.
    const EVERY_MODE: &str = concat!(
        "{\n\t\"current\": \"dev\",\n\t\"profiles\": [\n",
        "\t\t{\n\t\t\t\"name\": \"dev\",\n\t\t\t\"mode\": \"AK\",\n\t\t\t\"access_key_id\": \"i\",\n\t\t\t\"access_key_secret\": \"<&>\"\n\t\t},\n",
        "\t\t{\"name\":\"tmp\",\"mode\":\"StsToken\",\"sts_token\":\"a\\/b\\u00e9\"},\n",
        "\t\t{\"name\":\"role\",\"mode\":\"RamRoleArn\",\"expired_seconds\":900,\"enable_vpc\":false,\"policy\":\"{\\\"Version\\\":\\\"1\\\"}\"},\n",
        "\t\t{\"name\":\"chain\",\"mode\":\"ChainableRamRoleArn\",\"source_profile\":\"oauth\"},\n",
        "\t\t{\"name\":\"ecs\",\"mode\":\"EcsRamRole\"}, {\"name\":\"two\",\"mode\":\"RamRoleArnWithRoleName\"},\n",
        "\t\t{\"name\":\"pod\",\"mode\":\"OIDC\",\"oidc_token_file\":\"/var/run/t\"},\n",
        "\t\t{\"name\":\"uri\",\"mode\":\"CredentialsURI\"}, {\"name\":\"rsa\",\"mode\":\"RsaKeyPair\",\"private_key\":\"-----\\n\"},\n",
        "\t\t{\"name\":\"bearer\",\"mode\":\"BearerToken\"}, {\"name\":\"anonymous\",\"mode\":\"Anonymous\"},\n",
        "\t\t{\"name\":\"helper\",\"mode\":\"External\",\"process_command\":\"\\\"/opt/my tools/cred\\\" get\",\"sts_token\":\"old\",\"sts_expiration\":1},\n",
        "\t\t{\"name\":\"sso\",\"mode\":\"CloudSSO\",\"sts_token\":\"old\",\"sts_expiration\":1,\"retry_timeout\":0,\"mine\":[1.50,2e3]},\n",
        "\t\t{\"name\":\"oauth\",\"mode\":\"OAuth\",\"sts_token\":\"old\",\"sts_expiration\":1,\"oauth_refresh_token_expire\":0}\n",
        "\t],\n\t\"meta_path\": \"\"\n}\n"
    );

    #[test]
    fn a_file_with_every_mode_is_the_same_but_for_the_values_of_one_profile() {
        for profile in ["helper", "sso", "oauth"] {
            let start = EVERY_MODE.find(&format!("\"name\":\"{profile}\"")).unwrap();
            let (before, rest) = EVERY_MODE.split_at(start);
            let rest = rest.replacen(
                "\"sts_token\":\"old\",\"sts_expiration\":1",
                "\"sts_token\":\"new\",\"sts_expiration\":9",
                1,
            );
            let edited = edit(EVERY_MODE, profile, &CHANGES).map(|text| text.to_string());
            assert_eq!(edited, Ok(format!("{before}{rest}")));
        }
    }

    #[test]
    fn what_has_its_value_already_keeps_its_spelling() {
        let text = r#"{"profiles":[{"name":"a","sts_token":"n\u0065w","sts_expiration": 9 }]}"#;
        assert_eq!(edited(text), Ok(text.to_owned()));
    }

    #[test]
    fn what_a_parser_would_not_give_back_is_not_changed() {
        for (text, why) in [
            ("{\"profiles\":[{\"name\":\"a\"}] // mine\n}", NotEdited::NotJson),
            ("{\"profiles\":[{\"name\":\"a\",}]}", NotEdited::NotJson),
            ("{\"profiles\":[{\"name\":\"a\"}]} {}", NotEdited::NotJson),
            ("{\"profiles\":[{\"name\":\"a\"}", NotEdited::NotJson),
            ("{\"x\":1e400000,\"profiles\":[{\"name\":\"a\"}]}", NotEdited::NotJson),
            ("", NotEdited::NotJson),
            ("[]", NotEdited::NotJson),
            ("{\"profiles\":[{\"name\":\"a\",\"x\":1,\"x\":1}]}", NotEdited::Duplicate),
            ("{\"profiles\":[{\"name\":\"a\",\"x\":{\"y\":1,\"\\u0079\":1}}]}", NotEdited::Duplicate),
            ("{\"profiles\":[],\"profiles\":[{\"name\":\"a\"}]}", NotEdited::Duplicate),
            ("{\"profiles\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", NotEdited::NoSuchProfile),
            ("{\"profiles\":[{\"name\":\"A\"}]}", NotEdited::NoSuchProfile),
            ("{\"profiles\":{\"name\":\"a\"}}", NotEdited::NoSuchProfile),
            ("{\"profiles\":[[\"name\",\"a\"],\"a\",{\"name\":1}]}", NotEdited::NoSuchProfile),
            ("{}", NotEdited::NoSuchProfile),
        ] {
            assert_eq!(edited(text), Err(why), "{text}");
        }
        let deep = format!("{{\"x\":{}1{},\"profiles\":[{{\"name\":\"a\"}}]}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(edited(&deep), Err(NotEdited::NotJson));
    }

    /// A blank, as indentations have it.
    fn blanks() -> impl Strategy<Value = String> {
        "[ \t\r\n]{0,3}"
    }

    /// The text of any JSON value, with blanks of all kinds. Keys are made distinct by their number.
    fn value() -> impl Strategy<Value = String> {
        let text = "([ -!#-\\[\\]-~äß漢😀]|\\\\n|\\\\\"|\\\\\\\\|\\\\u00e9|\\\\/){0,8}"
            .prop_map(|text: String| format!("\"{text}\""));
        let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?";
        let leaf = prop_oneof![
            text.clone(),
            number,
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned())
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            let element =
                (blanks(), inner.clone(), blanks()).prop_map(|(before, value, after)| before + &value + &after);
            let array =
                proptest::collection::vec(element, 0..4).prop_map(|elements| format!("[{}]", elements.join(",")));
            let member = (blanks(), text.clone(), blanks(), blanks(), inner, blanks());
            let object = proptest::collection::vec(member, 0..4).prop_map(|members| {
                let member =
                    |(at, (a, name, b, c, value, d)): (usize, (String, String, String, String, String, String))| {
                        format!("{a}\"{at}{}{b}:{c}{value}{d}", &name[1..])
                    };
                format!("{{{}}}", members.into_iter().enumerate().map(member).collect::<Vec<_>>().join(","))
            });
            prop_oneof![array, object]
        })
    }

    proptest! {
        #[test]
        fn of_any_document_only_the_changed_values_differ(
            others in proptest::collection::vec(value(), 0..4),
            (a, b, c, d) in (blanks(), blanks(), blanks(), blanks()),
            old in value(),
            around in proptest::collection::vec(value(), 2),
            new in "[ -~ä漢]{0,20}",
            number in any::<i64>(),
        ) {
            let document = |token: &str, expiration: &str| {
                let list: String = others.iter().map(|other| format!("{other}{a},{b}")).collect();
                format!(
                    "{d}{{{a}\"x\":{},{b}\"profiles\":{c}[{list}{{{d}\"sts_token\"{a}:{token}{b},{c}\"name\":\"a\",\"sts_expiration\":{d}{expiration}{a},\"y\":{}}}]{b}}}{c}",
                    around[0], around[1]
                )
            };
            let before = document(&old, "1");
            let changes = [("sts_token", NewValue::Text(&new)), ("sts_expiration", NewValue::Number(number))];
            let after = edit(&before, "a", &changes).map(|text| text.to_string());
            let same = serde_json::from_str::<Value>(&old).ok() == Some(Value::from(new.as_str()));
            let token = if same { old.clone() } else { Value::from(new.as_str()).to_string() };
            prop_assert_eq!(after, Ok(document(&token, &number.to_string())));
        }

        #[test]
        fn no_text_is_a_panic(text in "[\\[\\]{}:,\"\\\\a-eä0-9. \n-]{0,60}") {
            let _ = edit(&text, "a", &CHANGES);
            let _ = edit(&format!("{{\"profiles\":[{{\"name\":\"a\",{text}}}]}}"), "a", &CHANGES);
        }
    }
}

//! Adds a profile to the text of config.json, and chooses the current one: in the manner of what is there, and no other byte is
//! changed.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::edit::{Manner, NewValue, NotEdited, Splices, faithful, find, split_mark};
use super::scan::{self, Object};

/// The layout of an object: what is written around its members.
struct Frame {
    open: String,
    manner: Manner,
    close: String,
}

impl Frame {
    /// As the `aliyun` CLI writes a profile.
    fn of_the_cli() -> Self {
        let manner = Manner { between: ",\n\t\t\t".to_owned(), colon: ": ".to_owned() };
        Self { open: "\n\t\t\t".to_owned(), manner, close: "\n\t\t".to_owned() }
    }

    fn of(json: &str, object: &Object) -> Self {
        let (Some(first), Some(last)) = (object.members.first(), object.members.last()) else {
            return Self::of_the_cli();
        };
        Self {
            open: json[object.span.start + 1..first.start].to_owned(),
            manner: Manner::of(json, object),
            close: json[last.value.end..object.span.end - 1].to_owned(),
        }
    }

    fn write(&self, members: &[(&str, Value)]) -> Zeroizing<String> {
        let mut out = Zeroizing::new(format!("{{{}", self.open));
        for (at, (name, value)) in members.iter().enumerate() {
            if at > 0 {
                out.push_str(&self.manner.between);
            }
            let (name, value) = (Value::from(*name).to_string(), Zeroizing::new(value.to_string()));
            out.push_str(&name);
            out.push_str(&self.manner.colon);
            out.push_str(&value);
        }
        out.push_str(&self.close);
        out.push('}');
        out
    }
}

/// Returns the text with a new profile behind the others. It becomes the current one where none is chosen. Without a text, or
/// with a blank one, the file is made.
pub(crate) fn add(
    text: Option<&str>,
    profile: &str,
    members: &[(&str, NewValue<'_>)],
) -> Result<Zeroizing<String>, NotEdited> {
    let (mark, json) = split_mark(text.unwrap_or_default());
    let mut written = vec![("name", Value::from(profile))];
    written.extend(members.iter().filter_map(|(name, value)| Some((*name, value.json(None)?))));
    let new: Map<String, Value> = written.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let new = Value::Object(new);
    let before: Value = match json.trim() {
        "" => Value::Object(Map::new()),
        json => serde_json::from_str(json).map_err(|_| NotEdited::NotJson)?,
    };
    if !before.is_object() {
        return Err(NotEdited::NotJson);
    }
    let mut meant = before.clone();
    let is_unset = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value.as_str() == Some(""));
    let chooses = is_unset(before.get("current"));
    if chooses {
        meant["current"] = Value::from(profile);
    }
    let list = meant.as_object_mut().ok_or(NotEdited::NotJson)?.entry("profiles").or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let list = list.as_array_mut().ok_or(NotEdited::NotJson)?;
    if list.iter().any(|other| other["name"].as_str() == Some(profile)) {
        return Err(NotEdited::ProfileExists);
    }
    list.push(new);
    let alone = || {
        let one = Frame::of_the_cli().write(&written);
        Zeroizing::new(format!("[\n\t\t{}\n\t]", one.as_str()))
    };
    if before.as_object().is_some_and(Map::is_empty) {
        let current = Value::from(profile);
        let whole = format!("{mark}{{\n\t\"current\": {current},\n\t\"profiles\": {}\n}}\n", alone().as_str());
        return faithful(Zeroizing::new(whole), &meant);
    }
    let root = scan::document(json)?;
    let mut splices = Splices::default();
    let manner = Manner::of(json, &root);
    let mut added = Zeroizing::new(String::new());
    let mut put = |name: &str, value: Zeroizing<String>| match root.member(name) {
        Some(member) => splices.replace(member.value.clone(), value),
        None => added.push_str(&format!("{}\"{name}\"{}{}", manner.between, manner.colon, value.as_str())),
    };
    if chooses {
        put("current", Zeroizing::new(Value::from(profile).to_string()));
    }
    let elements = root.member("profiles").map(|list| scan::elements_at(json, &list.value)).transpose()?.flatten();
    match elements.as_deref().unwrap_or_default() {
        [] => put("profiles", alone()),
        [.., last] => {
            let frame = scan::object_at(json, last)?.map_or_else(Frame::of_the_cli, |last| Frame::of(json, &last));
            let between = match elements.as_deref() {
                Some([.., one, other]) => json[one.end..other.start].to_owned(),
                // The only one: what stands before it, behind the bracket.
                _ => {
                    let list = root.member("profiles").map_or(last.start, |list| list.value.start + 1);
                    format!(",{}", &json[list..last.start])
                }
            };
            let one = frame.write(&written);
            splices.replace(last.end..last.end, Zeroizing::new(format!("{between}{}", one.as_str())));
        }
    }
    if let Some(last) = root.members.last().filter(|_| !added.is_empty()) {
        splices.replace(last.value.end..last.value.end, added);
    }
    faithful(splices.apply(json, mark), &meant)
}

/// Returns the text with another current profile, which has to be there.
pub(crate) fn set_current(text: &str, profile: &str) -> Result<Zeroizing<String>, NotEdited> {
    let (mark, json) = split_mark(text);
    let before: Value = serde_json::from_str(json).map_err(|_| NotEdited::NotJson)?;
    find(json, profile)?;
    let root = scan::document(json)?;
    let written = Zeroizing::new(Value::from(profile).to_string());
    let mut splices = Splices::default();
    match (root.member("current"), root.members.last()) {
        (Some(_), _) if before["current"].as_str() == Some(profile) => {}
        (Some(member), _) => splices.replace(member.value.clone(), written),
        (None, last) => {
            let manner = Manner::of(json, &root);
            // A profile is there, so a member is.
            let end = last.map_or(root.span.end, |last| last.value.end);
            let added = format!("{}\"current\"{}{}", manner.between, manner.colon, written.as_str());
            splices.replace(end..end, Zeroizing::new(added));
        }
    }
    let mut meant = before;
    meant["current"] = Value::from(profile);
    faithful(splices.apply(json, mark), &meant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMBERS: [(&str, NewValue<'_>); 4] = [
        ("mode", NewValue::Text("AK")),
        ("access_key_id", NewValue::Text("i\"d")),
        ("expired_seconds", NewValue::Number(900)),
        ("sts_token", NewValue::Cleared),
    ];

    fn added(text: Option<&str>) -> Result<String, NotEdited> {
        add(text, "new", &MEMBERS).map(|text| text.to_string())
    }

    #[test]
    fn a_file_that_is_not_there_is_written_as_the_cli_writes_it() {
        let whole = "{\n\t\"current\": \"new\",\n\t\"profiles\": [\n\t\t{\n\t\t\t\"name\": \"new\",\n\t\t\t\"mode\": \"AK\",\n\t\t\t\"access_key_id\": \"i\\\"d\",\n\t\t\t\"expired_seconds\": 900\n\t\t}\n\t]\n}\n";
        for text in [None, Some(""), Some(" \n"), Some("{}"), Some("{ }\n")] {
            assert_eq!(added(text), Ok(whole.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_profile_is_added_in_the_manner_of_the_others() {
        const ONE: &str = r#""mode":"AK","access_key_id":"i\"d","expired_seconds":900"#;
        for (before, after) in [
            (
                "\u{feff}{\n  \"current\": \"a\",\n  \"profiles\": [\n    {\n      \"name\" : \"a\"\n    }\n  ],\n  \"x\": 1e2\n}\n",
                "\u{feff}{\n  \"current\": \"a\",\n  \"profiles\": [\n    {\n      \"name\" : \"a\"\n    },\n    {\n      \"name\" : \"new\",\n      \"mode\" : \"AK\",\n      \"access_key_id\" : \"i\\\"d\",\n      \"expired_seconds\" : 900\n    }\n  ],\n  \"x\": 1e2\n}\n".to_owned(),
            ),
            (
                r#"{"current":"a","profiles":[{"name":"a"},{"name":"b","mode":"AK"}]}"#,
                format!(r#"{{"current":"a","profiles":[{{"name":"a"}},{{"name":"b","mode":"AK"}},{{"name":"new",{ONE}}}]}}"#),
            ),
            (
                r#"{"profiles":[{"name":"a"}]}"#,
                format!(r#"{{"profiles":[{{"name":"a"}},{{"name":"new",{ONE}}}],"current":"new"}}"#),
            ),
        ] {
            assert_eq!(added(Some(before)), Ok(after), "{before}");
        }
        for text in
            [r#"{"current":"a","profiles":null}"#, r#"{"current":"a","profiles":[]}"#, r#"{"current":"","x":1}"#]
        {
            let after: Value = serde_json::from_str(&added(Some(text)).unwrap()).unwrap();
            assert_eq!(after["profiles"][0]["access_key_id"], "i\"d", "{text}");
            assert!(["a", "new"].contains(&after["current"].as_str().unwrap()));
        }
    }

    #[test]
    fn what_is_there_or_cannot_be_read_is_not_written_over() {
        for (text, why) in [
            (r#"{"profiles":[{"name":"new"}]}"#, NotEdited::ProfileExists),
            (r#"{"profiles":[{"name":"a"}] /* mine */}"#, NotEdited::NotJson),
            (r#"{"profiles":{"name":"a"}}"#, NotEdited::NotJson),
            (r#"{"x":1,"x":2,"profiles":[]}"#, NotEdited::Duplicate),
            ("[]", NotEdited::NotJson),
            ("3", NotEdited::NotJson),
        ] {
            assert_eq!(added(Some(text)), Err(why), "{text}");
        }
    }

    #[test]
    fn the_current_profile_is_changed_and_nothing_else() {
        let set = |text: &str| set_current(text, "b").map(|text| text.to_string());
        let two = r#""profiles": [{"name":"a"}, {"name":"b"}]"#;
        for (before, after) in [
            (format!("{{ \"current\" : \"a\", {two} }}"), format!("{{ \"current\" : \"b\", {two} }}")),
            (format!("{{{two}}}"), format!("{{{two},\"current\": \"b\"}}")),
            (format!("{{\"current\":\"\\u0062\",{two}}}"), format!("{{\"current\":\"\\u0062\",{two}}}")),
        ] {
            assert_eq!(set(&before), Ok(after), "{before}");
        }
        assert_eq!(set(r#"{"profiles":[{"name":"a"}]}"#), Err(NotEdited::NoSuchProfile));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[\\[\\]{}:,\"\\\\a-eä0-9. \n-]{0,60}") {
            let _ = added(Some(&text));
            let _ = added(Some(&format!("{{\"profiles\":[{{\"name\":\"a\",{text}}}]}}")));
            let _ = set_current(&format!("{{\"profiles\":[{{\"name\":\"a\",{text}}}]}}"), "a");
        }
    }
}

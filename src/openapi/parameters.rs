//! What text a parameter's value becomes, and which values IMM's parameters cannot have.

use serde::Serialize;
use serde_json::Value;

use super::NestedParameters;
use super::operations::{FORM, INTEGERS, JSON, JSON_IN, QUERY, SPLIT, TEXT};
use crate::error::Error;

/// The fields of a structure or map as text; `null` is left out.
pub(super) fn texts<P: Serialize + ?Sized>(
    imm: bool,
    nested: NestedParameters,
    action: &str,
    parameters: &P,
) -> Result<Vec<(String, String)>, Error> {
    let invalid = |message| Error::invalid_input(message).with_code("InvalidParameters");
    // The error of a serializer may quote values, so it is not repeated.
    let value = serde_json::to_value(parameters).map_err(|_| invalid("the parameters cannot be written as JSON"))?;
    let Value::Object(fields) = value else {
        return Err(invalid("the parameters have to be a structure or a map"));
    };
    let known = imm && is_known(action);
    let mut texts = Vec::with_capacity(fields.len());
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        if known {
            check(action, &name, &value)?;
        }
        match nested {
            NestedParameters::Json => texts.push((name, text(value))),
            NestedParameters::Repeated => push_repeated(name, value, &mut texts),
        }
    }
    Ok(texts)
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// One parameter for each plain value within: `Tag.1.Key`. `null`, empty lists and empty objects are left out.
fn push_repeated(name: String, value: Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (at, item) in items.into_iter().enumerate() {
                push_repeated(format!("{name}.{}", at + 1), item, texts);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                push_repeated(format!("{name}.{member}"), value, texts);
            }
        }
        plain => texts.push((name, text(plain))),
    }
}

/// What IMM takes for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Integer,
    Text,
    /// Newer than the table: anything goes.
    Unknown,
}

fn kind(action: &str, name: &str) -> Kind {
    if let Some((_, actions)) = JSON_IN.iter().find(|(mixed, _)| *mixed == name) {
        return if actions.contains(&action) { Kind::Json } else { Kind::Text };
    }
    let is_in = |names: &[&str]| names.binary_search(&name).is_ok();
    match () {
        () if is_in(&JSON) => Kind::Json,
        () if is_in(&INTEGERS) => Kind::Integer,
        () if is_in(&TEXT) => Kind::Text,
        () => Kind::Unknown,
    }
}

fn is_known(action: &str) -> bool {
    let is_in = |names: &[&str]| names.binary_search(&action).is_ok();
    is_in(&QUERY) || is_in(&FORM) || SPLIT.iter().any(|(name, _)| *name == action)
}

/// Refuses what the server would misread or refuse: a count that went through a float is not the same count any more. The
/// value itself is not repeated.
fn check(action: &str, name: &str, value: &Value) -> Result<(), Error> {
    let rule = match (kind(action, name), value) {
        (Kind::Integer, Value::Number(number)) if number.is_i64() => return Ok(()),
        (Kind::Integer, Value::String(text)) if text.parse::<i64>().is_ok() => return Ok(()),
        (Kind::Integer, _) => "is a whole number that fits 64 bits with a sign, and was given as something else",
        (Kind::Text, Value::Array(_) | Value::Object(_)) => "is one plain value, and was given as a list or an object",
        _ => return Ok(()),
    };
    Err(Error::invalid_input(format!("{name} of {action} {rule}")).with_code(format!("InvalidParameter.{name}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(action: &str, parameters: Value) -> String {
        match texts(true, NestedParameters::Json, action, &parameters) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.code().unwrap().to_owned(),
        }
    }

    #[test]
    fn a_name_is_in_one_list_alone_and_every_list_is_sorted() {
        let mixed: Vec<&str> = JSON_IN.iter().map(|(name, _)| *name).collect();
        let mut all = [&JSON[..], &INTEGERS, &TEXT, &mixed].concat();
        assert!(JSON.is_sorted() && INTEGERS.is_sorted() && TEXT.is_sorted());
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), count), (166, 166));
    }

    #[test]
    fn the_table_knows_lists_counts_and_plain_values() {
        for (action, name, expected) in [
            ("CreateProject", "Tag", Kind::Json),
            ("CreateProject", "ProjectName", Kind::Text),
            ("CreateProject", "DatasetMaxTotalFileSize", Kind::Integer),
            ("ListProjects", "MaxResults", Kind::Integer),
            ("GetProject", "WithStatistics", Kind::Text),
            ("SimpleQuery", "Query", Kind::Json),
            ("FuzzyQuery", "Query", Kind::Text),
            ("CreateStory", "CustomLabels", Kind::Json),
            ("QueryStories", "CustomLabels", Kind::Text),
            // In the metadata alone.
            ("CreateDataset", "DatasetConfig", Kind::Json),
            // In the SDK alone.
            ("DetectImageCropping", "InclusionHints", Kind::Json),
            ("GetDRMLicense", "KeyId", Kind::Text),
            ("DetectImageLabels", "Threshold", Kind::Text),
            ("CreateProject", "AParameterOfNextYear", Kind::Unknown),
        ] {
            assert_eq!(kind(action, name), expected, "{name} of {action}");
        }
        assert!(["CreateProject", "AddStoryFiles", "CreateStory"].iter().all(|action| is_known(action)));
        assert!(!is_known("AnOperationOfNextYear"));
    }

    #[test]
    fn a_count_is_a_whole_number_of_64_bits_or_no_request_is_made() {
        let refused = "InvalidParameter.DatasetMaxFileCount";
        for (value, expected) in [
            (json!(7), "ok"),
            (json!(i64::MAX), "ok"),
            (json!(i64::MIN), "ok"),
            (json!("90000000000000000"), "ok"),
            (json!(null), "ok"),
            (json!(u64::MAX), refused),
            (json!(1e3), refused),
            (json!(1.5), refused),
            (json!("1e3"), refused),
            (json!("many"), refused),
            (json!(true), refused),
            (json!([7]), refused),
        ] {
            assert_eq!(code("CreateProject", json!({"DatasetMaxFileCount": &value})), expected, "{value}");
        }
        let error = texts(true, NestedParameters::Json, "CreateProject", &json!({"DatasetMaxFileCount": "s3cr3t"}))
            .unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        assert!(error.message().starts_with("DatasetMaxFileCount of CreateProject is a whole number"), "{error}");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_plain_value_is_neither_a_list_nor_an_object() {
        assert_eq!(code("GetProject", json!({"ProjectName": ["a", "b"]})), "InvalidParameter.ProjectName");
        assert_eq!(code("FuzzyQuery", json!({"Query": {"Field": "x"}})), "InvalidParameter.Query");
        assert_eq!(code("SimpleQuery", json!({"Query": {"Field": "x"}})), "ok");
        assert_eq!(code("DetectImageLabels", json!({"Threshold": 0.5})), "ok");
    }

    #[test]
    fn what_the_table_does_not_know_is_passed_on() {
        assert_eq!(code("CreateProject", json!({"AParameterOfNextYear": {"a": 1}})), "ok");
        assert_eq!(code("AnOperationOfNextYear", json!({"ProjectName": [1], "MaxResults": 1.5})), "ok");
        assert!(
            texts(false, NestedParameters::Json, "CreateProject", &json!({"ProjectName": [1]})).is_ok(),
            "of another product"
        );
    }

    #[test]
    fn values_become_text_and_nothing_is_lost_on_the_way() {
        let parameters = json!({
            "DatasetMaxTotalFileSize": i64::MAX, "ProjectName": "p", "Tag": [{"Key": "中", "Value": "a b"}],
            "Threshold": 0.5, "WithStatistics": true, "Description": null,
        });
        let texts = texts(true, NestedParameters::Json, "CreateProject", &parameters).unwrap();
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let expected = [
            ("DatasetMaxTotalFileSize", "9223372036854775807"),
            ("ProjectName", "p"),
            ("Tag", r#"[{"Key":"中","Value":"a b"}]"#),
            ("Threshold", "0.5"),
            ("WithStatistics", "true"),
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_repeated_list_is_one_parameter_for_each_plain_value() {
        let parameters = json!({
            "RegionId": "cn-hangzhou", "InstanceId": ["i-1", "i-2"], "Amount": 2, "DryRun": false, "None": null, "Empty": [],
            "Tag": [{"Key": "stage", "Value": "test"}, {"Key": "中", "Value": null}], "SystemDisk": {"Size": 40},
        });
        let texts = texts(false, NestedParameters::Repeated, "RunInstances", &parameters).unwrap();
        let texts: Vec<String> = texts.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let expected = [
            "Amount=2",
            "DryRun=false",
            "InstanceId.1=i-1",
            "InstanceId.2=i-2",
            "RegionId=cn-hangzhou",
            "SystemDisk.Size=40",
            "Tag.1.Key=stage",
            "Tag.1.Value=test",
            "Tag.2.Key=中",
        ];
        assert_eq!(texts, expected);
    }
}

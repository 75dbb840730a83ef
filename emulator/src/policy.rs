//! RAM policies: their grammar and their decision on an action and a resource.
//!
//! `Action`, `NotAction`, `Resource` and `NotResource` are evaluated, with `*` and `?`. Of conditions, `StringEquals` and
//! `StringLike` are evaluated on the keys that a request gives. A statement with any other condition never allows and
//! always denies, so that an emulated session never has more permissions than a real one.

use serde_json::Value;

/// Maximum length of a resource. The longest names in one are keys of OSS objects, of up to 1,023 bytes.
const MAX_RESOURCE_LENGTH: usize = 2_048;

pub(crate) struct Policy {
    statements: Vec<Statement>,
}

struct Statement {
    allow: bool,
    condition: Condition,
    actions: Patterns,
    resources: Patterns,
}

struct Patterns {
    list: Vec<String>,
    negated: bool,
}

/// The facts about a request that conditions test: `oss:Prefix` and the like, with their values.
pub(crate) type Facts<'a> = &'a [(&'a str, &'a str)];

struct Condition {
    /// All have to hold: a key, whether its values are patterns, and the values, one of which has to match.
    tests: Vec<(String, bool, Vec<String>)>,
    /// Has an operator that is not evaluated.
    unknown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    ImplicitDeny,
    ExplicitDeny,
}

impl Policy {
    /// Parses a policy. Returns `None` unless it follows the documented grammar: an object with `Version` "1" and at
    /// least one statement, each with an `Effect` and with actions and resources as a string or a list of strings.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let object = value.as_object()?;
        if object.get("Version")?.as_str()? != "1" || object.keys().any(|key| key != "Version" && key != "Statement") {
            return None;
        }
        let statements: Vec<_> = match object.get("Statement")? {
            Value::Array(list) => list.iter().map(Statement::parse).collect::<Option<_>>()?,
            single => vec![Statement::parse(single)?],
        };
        (!statements.is_empty()).then_some(Self { statements })
    }

    pub(crate) fn decide(&self, action: &str, resource: &str, facts: Facts<'_>) -> Decision {
        let mut decision = Decision::ImplicitDeny;
        // Action names are not case sensitive; resource names are.
        let action = action.to_ascii_lowercase();
        for statement in &self.statements {
            if !statement.actions.matches(&action) || !statement.resources.matches(resource) {
                continue;
            }
            match (statement.allow, statement.condition.holds(facts)) {
                (false, Some(true) | None) => return Decision::ExplicitDeny,
                (true, Some(true)) => decision = Decision::Allow,
                (_, Some(false)) | (true, None) => {}
            }
        }
        decision
    }
}

impl Statement {
    fn parse(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let allow = match object.get("Effect")?.as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let mut actions = Patterns::parse(object, "Action", "NotAction")?;
        actions.list.iter_mut().for_each(|pattern| pattern.make_ascii_lowercase());
        let resources = Patterns::parse(object, "Resource", "NotResource")?;
        let condition = Condition::parse(object.get("Condition"))?;
        Some(Self { allow, condition, actions, resources })
    }
}

impl Condition {
    /// An object of operators, each with an object of keys and their values. Keys are not case sensitive.
    fn parse(value: Option<&Value>) -> Option<Self> {
        let mut condition = Self { tests: Vec::new(), unknown: false };
        let Some(value) = value else { return Some(condition) };
        for (operator, keys) in value.as_object()? {
            for (key, values) in keys.as_object()? {
                match operator.as_str() {
                    "StringEquals" | "StringLike" => {
                        condition.tests.push((key.to_ascii_lowercase(), operator == "StringLike", texts(values)?));
                    }
                    _ => condition.unknown = true,
                }
            }
        }
        Some(condition)
    }

    /// Returns whether all of it holds, or `None` if that depends on what is not evaluated. A key that the request does
    /// not have matches nothing.
    fn holds(&self, facts: Facts<'_>) -> Option<bool> {
        let holds = self.tests.iter().all(|(key, like, values)| {
            facts
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(key))
                .any(|(_, fact)| values.iter().any(|value| if *like { wildcard(value, fact) } else { value == fact }))
        });
        if holds && self.unknown { None } else { Some(holds) }
    }
}

/// Reads a string or a list of strings.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(single) => Some(vec![single.clone()]),
        Value::Array(list) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

impl Patterns {
    fn parse(object: &serde_json::Map<String, Value>, name: &str, not_name: &str) -> Option<Self> {
        let (value, negated) = match (object.get(name), object.get(not_name)) {
            (Some(value), None) => (value, false),
            (None, Some(value)) => (value, true),
            _ => return None,
        };
        let list = texts(value)?;
        (!list.is_empty()).then_some(Self { list, negated })
    }

    fn matches(&self, text: &str) -> bool {
        self.list.iter().any(|pattern| wildcard(pattern, text)) != self.negated
    }
}

/// Matches a pattern in which `*` stands for any characters and `?` for one.
///
/// Only the beginning of a very long text is compared. Policies are evaluated before names are validated, so the text
/// may be as long as a body, and each byte may cost as many steps as the pattern is long. Validation rejects such a
/// name next, whatever the result.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let text = &text[..text.len().min(MAX_RESOURCE_LENGTH)];
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // Let the last `*` take one more character.
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(policy: &str, action: &str, resource: &str) -> Decision {
        Policy::parse(policy).unwrap().decide(action, resource, &[])
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("imm:*", "imm:CreateProject", true),
            ("imm:Get*", "imm:GetProject", true),
            ("imm:Get*", "imm:CreateProject", false),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*:project/tenant-1-*", "acs:imm:cn-hangzhou:1:project/tenant-1-x", true),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn of_a_text_longer_than_any_valid_name_only_the_beginning_is_compared() {
        let text = |length: usize| format!("{}b", "a".repeat(length - 1));
        assert!(wildcard("*ab", &text(MAX_RESOURCE_LENGTH)) && !wildcard("*ab", &text(MAX_RESOURCE_LENGTH + 1)));
        assert!(
            wildcard("a*", &text(1 << 20)) && wildcard(&"?".repeat(MAX_RESOURCE_LENGTH), &text(MAX_RESOURCE_LENGTH))
        );
    }

    #[test]
    fn deny_beats_allow_and_silence_denies() {
        let policy = r#"{"Version":"1","Statement":[
            {"Effect":"Allow","Action":["imm:*"],"Resource":"*"},
            {"Effect":"Deny","Action":"imm:DeleteProject","Resource":["*"]}]}"#;
        assert_eq!(decide(policy, "imm:GetProject", "r"), Decision::Allow);
        assert_eq!(decide(policy, "IMM:getproject", "r"), Decision::Allow);
        assert_eq!(decide(policy, "imm:DeleteProject", "r"), Decision::ExplicitDeny);
        assert_eq!(decide(policy, "sts:AssumeRole", "r"), Decision::ImplicitDeny);
    }

    #[test]
    fn resources_negations_and_conditions_restrict() {
        let policy = r#"{"Version":"1","Statement":
            {"Effect":"Allow","NotAction":"imm:Delete*","Resource":"acs:imm:*:*:project/a*"}}"#;
        assert_eq!(decide(policy, "imm:GetProject", "acs:imm:x:1:project/ab"), Decision::Allow);
        assert_eq!(decide(policy, "imm:GetProject", "acs:imm:x:1:project/b"), Decision::ImplicitDeny);
        assert_eq!(decide(policy, "imm:DeleteProject", "acs:imm:x:1:project/ab"), Decision::ImplicitDeny);
    }

    #[test]
    fn a_condition_that_is_not_evaluated_never_allows_and_always_denies() {
        let decide = |effect: &str, condition: &str, facts: Facts<'_>| {
            let statement = format!(r#"{{"Effect":"{effect}","Action":"*","Resource":"*","Condition":{condition}}}"#);
            let policy = format!(
                r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"oss:Put*","Resource":"*"}},{statement}]}}"#
            );
            Policy::parse(&policy).unwrap().decide("oss:ListObjects", "r", facts)
        };
        let like = r#"{"StringLike":{"oss:Prefix":["a/*","b"]}}"#;
        let other = r#"{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}"#;
        let both = r#"{"StringEquals":{"oss:Delimiter":"/"},"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}"#;
        let prefix = |value: &'static str| [("oss:Prefix", value)];
        for (effect, condition, facts, expected) in [
            ("Allow", like, &prefix("a/x")[..], Decision::Allow),
            ("Allow", like, &prefix("b"), Decision::Allow),
            ("Allow", like, &prefix("c"), Decision::ImplicitDeny),
            ("Allow", like, &[], Decision::ImplicitDeny),
            ("Deny", like, &prefix("a/x"), Decision::ExplicitDeny),
            ("Deny", like, &prefix("c"), Decision::ImplicitDeny),
            ("Allow", other, &[], Decision::ImplicitDeny),
            ("Deny", other, &[], Decision::ExplicitDeny),
            ("Deny", both, &[("oss:Delimiter", "/")], Decision::ExplicitDeny),
            ("Deny", both, &[], Decision::ImplicitDeny),
            ("Allow", both, &[("oss:Delimiter", "/")], Decision::ImplicitDeny),
        ] {
            assert_eq!(decide(effect, condition, facts), expected, "{effect} {condition} {facts:?}");
        }
    }

    #[test]
    fn the_grammar_is_checked() {
        for policy in [
            "",
            "[]",
            "{",
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            r#"{"Version":"1"}"#,
            r#"{"Version":"1","Statement":[]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*"}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":[],"Resource":"*"}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":[1],"Resource":"*"}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":[]}]}"#,
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"a":1}}}]}"#,
        ] {
            assert!(Policy::parse(policy).is_none(), "{policy}");
        }
    }
}

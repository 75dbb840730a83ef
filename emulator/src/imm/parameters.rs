//! Parameters of the project operations: ranges, names and JSON, with the documented error for each.

use serde::Deserialize;

use super::project::{Project, Tag};
use crate::request::Parameters;
use crate::response::{ApiError, ApiResult};

pub(super) fn invalid(name: &str) -> ApiError {
    ApiError::new(400, "InvalidArgument", format!("The parameter {name} is invalid."))
}

/// Returns `ProjectName`: 1 to 128 letters, digits, `-` and `_`, beginning with a letter or `_`.
pub(super) fn project_name(parameters: &Parameters) -> ApiResult<&str> {
    let name = parameters.get("ProjectName").ok_or_else(|| {
        ApiError::new(400, "InvalidArgument", "The parameter ProjectName is required but not provided.")
    })?;
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if begins && rest && name.len() <= 128 { Ok(name) } else { Err(invalid("ProjectName")) }
}

/// The fields that CreateProject sets and UpdateProject changes. Only those in the request are set.
pub(super) struct Changes {
    description: Option<String>,
    service_role: Option<String>,
    template_id: Option<String>,
    project_max_dataset_count: Option<i64>,
    dataset_max_bind_count: Option<i64>,
    dataset_max_file_count: Option<i64>,
    dataset_max_entity_count: Option<i64>,
    dataset_max_relation_count: Option<i64>,
    dataset_max_total_file_size: Option<i64>,
    tags: Option<Vec<Tag>>,
}

impl Changes {
    /// Reads the fields. Each maximum is the documented one, or the documented default where no maximum is documented.
    pub(super) fn read(parameters: &Parameters) -> ApiResult<Self> {
        let quota = |name: &str, max: i64| integer(parameters, name, 1, max);
        Ok(Self {
            project_max_dataset_count: quota("ProjectMaxDatasetCount", 1_000_000_000)?,
            dataset_max_bind_count: quota("DatasetMaxBindCount", 10)?,
            dataset_max_file_count: quota("DatasetMaxFileCount", 100_000_000)?,
            dataset_max_entity_count: quota("DatasetMaxEntityCount", 10_000_000_000)?,
            dataset_max_relation_count: quota("DatasetMaxRelationCount", 100_000_000_000)?,
            dataset_max_total_file_size: quota("DatasetMaxTotalFileSize", 90_000_000_000_000_000)?,
            description: text(parameters, "Description", 256)?,
            service_role: text(parameters, "ServiceRole", 64)?,
            template_id: text(parameters, "TemplateId", 128)?,
            tags: tags(parameters)?.map(|tags| tags.into_iter().map(TagParameter::into_tag).collect()),
        })
    }

    pub(super) fn apply(self, project: &mut Project) {
        fn set<T>(field: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *field = new;
            }
        }
        set(&mut project.description, self.description);
        set(&mut project.service_role, self.service_role);
        set(&mut project.template_id, self.template_id);
        set(&mut project.project_max_dataset_count, self.project_max_dataset_count);
        set(&mut project.dataset_max_bind_count, self.dataset_max_bind_count);
        set(&mut project.dataset_max_file_count, self.dataset_max_file_count);
        set(&mut project.dataset_max_entity_count, self.dataset_max_entity_count);
        set(&mut project.dataset_max_relation_count, self.dataset_max_relation_count);
        set(&mut project.dataset_max_total_file_size, self.dataset_max_total_file_size);
        set(&mut project.tags, self.tags);
    }
}

fn text(parameters: &Parameters, name: &str, longest: usize) -> ApiResult<Option<String>> {
    match parameters.get(name) {
        Some(value) if value.chars().count() > longest => Err(invalid(name)),
        value => Ok(value.map(str::to_owned)),
    }
}

/// Reads an integer. Text that is not a number gets the gateway's error, a number below `min` `InvalidArgument`, and
/// one above `max` the documented quota error.
fn integer(parameters: &Parameters, name: &str, min: i64, max: i64) -> ApiResult<Option<i64>> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    let number: i64 = value.parse().map_err(|_| ApiError::invalid(name))?;
    if number < min {
        return Err(invalid(name));
    }
    if number > max {
        return Err(ApiError::new(400, "LimitExceededError", "input quota exceed the max value"));
    }
    Ok(Some(number))
}

/// Reads a boolean. The Python SDK sends `True`, others `true`; `1` is accepted too.
pub(super) fn boolean(parameters: &Parameters, name: &str) -> ApiResult<bool> {
    match parameters.get(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(ApiError::invalid(name)),
    }
}

/// Reads `MaxResults`, 0 to 200. Without it, or with 0, the page size is 100.
pub(super) fn max_results(parameters: &Parameters) -> ApiResult<usize> {
    let Some(value) = parameters.get("MaxResults") else { return Ok(100) };
    let number: i64 = value.parse().map_err(|_| ApiError::invalid("MaxResults"))?;
    match usize::try_from(number) {
        Ok(0) => Ok(100),
        Ok(number) if number <= 200 => Ok(number),
        _ => Err(invalid("MaxResults")),
    }
}

pub(super) fn prefix(parameters: &Parameters) -> ApiResult<&str> {
    match parameters.get("Prefix").unwrap_or_default() {
        prefix if prefix.chars().count() > 128 => Err(invalid("Prefix")),
        prefix => Ok(prefix),
    }
}

/// One element of the `Tag` parameter.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagParameter {
    key: String,
    value: Option<String>,
}

impl TagParameter {
    fn into_tag(self) -> Tag {
        Tag { tag_key: self.key, tag_value: self.value.unwrap_or_default() }
    }

    /// Returns whether a project has this tag. Without a value only the key is compared.
    pub(super) fn matches(&self, project: &Project) -> bool {
        let fits =
            |tag: &Tag| tag.tag_key == self.key && self.value.as_ref().is_none_or(|value| *value == tag.tag_value);
        project.tags.iter().any(fits)
    }
}

pub(super) fn filter_tags(parameters: &Parameters) -> ApiResult<Vec<TagParameter>> {
    Ok(tags(parameters)?.unwrap_or_default())
}

fn tags(parameters: &Parameters) -> ApiResult<Option<Vec<TagParameter>>> {
    let Some(text) = parameters.get("Tag") else { return Ok(None) };
    let tags: Vec<TagParameter> = serde_json::from_str(text).map_err(|_| {
        ApiError::new(
            400,
            "InvalidJSON Array parsing error",
            "Specified parameter Tag is not valid: not a JSON array of Key and Value.",
        )
    })?;
    if tags.iter().any(|tag| tag.key.is_empty()) { Err(invalid("Tag")) } else { Ok(Some(tags)) }
}

//! A project, with its members in the order of the captured response.

use serde::Serialize;

/// A project. Its counts and limits are `i64`: the largest limit exceeds what a double holds exactly.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Project {
    pub(super) create_time: String,
    dataset_count: i64,
    pub(super) dataset_max_bind_count: i64,
    pub(super) dataset_max_entity_count: i64,
    pub(super) dataset_max_file_count: i64,
    pub(super) dataset_max_relation_count: i64,
    pub(super) dataset_max_total_file_size: i64,
    pub(super) description: String,
    engine_concurrency: i64,
    file_count: i64,
    pub(super) project_max_dataset_count: i64,
    project_name: String,
    project_queries_per_second: i64,
    pub(super) service_role: String,
    /// Omitted when there are none: the captured body has 602 bytes without it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Tag>,
    pub(super) template_id: String,
    total_file_size: i64,
    pub(super) update_time: String,
}

/// A tag. Requests name its members `Key` and `Value`, responses `TagKey` and `TagValue`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) tag_key: String,
    pub(super) tag_value: String,
}

impl Project {
    pub(super) fn new(name: &str) -> Self {
        Self {
            create_time: String::new(),
            dataset_count: 0,
            dataset_max_bind_count: 10,
            dataset_max_entity_count: 10_000_000_000,
            dataset_max_file_count: 100_000_000,
            dataset_max_relation_count: 100_000_000_000,
            dataset_max_total_file_size: 90_000_000_000_000_000,
            description: String::new(),
            // 200 in the captured response; the reference page shows 100 for these two.
            engine_concurrency: 200,
            file_count: 0,
            project_max_dataset_count: 1_000_000_000,
            project_name: name.to_owned(),
            project_queries_per_second: 200,
            service_role: "AliyunIMMDefaultRole".to_owned(),
            tags: Vec::new(),
            template_id: "Official:DefaultEmptyId".to_owned(),
            total_file_size: 0,
            update_time: String::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.project_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imm::ProjectResponse;
    use crate::response::json;

    /// The published sample response of CreateProject, compact. Its content-length header says 602.
    const SAMPLE: &str = concat!(
        r#"{"Project":{"CreateTime":"2023-08-10T14:34:51.586696893+08:00","DatasetCount":0,"DatasetMaxBindCount":10,"#,
        r#""DatasetMaxEntityCount":10000000000,"DatasetMaxFileCount":100000000,"DatasetMaxRelationCount":100000000000,"#,
        r#""DatasetMaxTotalFileSize":90000000000000000,"Description":"","EngineConcurrency":200,"FileCount":0,"#,
        r#""ProjectMaxDatasetCount":1000000000,"ProjectName":"testproject","ProjectQueriesPerSecond":200,"#,
        r#""ServiceRole":"AliyunIMMDefaultRole","TemplateId":"Official:DefaultEmptyId","TotalFileSize":0,"#,
        r#""UpdateTime":"2023-08-10T14:34:51.586696977+08:00"},"RequestId":"2C489857-69E6-5974-B963-A7DF99EFFF43"}"#,
    );

    #[test]
    fn an_untagged_project_is_the_published_sample_of_602_bytes() {
        let mut project = Project::new("testproject");
        project.create_time = "2023-08-10T14:34:51.586696893+08:00".to_owned();
        project.update_time = "2023-08-10T14:34:51.586696977+08:00".to_owned();
        let body = json(&ProjectResponse { project: &project, request_id: "2C489857-69E6-5974-B963-A7DF99EFFF43" });
        assert_eq!(body, SAMPLE);
        assert_eq!(body.len(), 602);
    }

    #[test]
    fn tags_appear_only_when_there_are_any() {
        let mut project = Project::new("p");
        assert!(!json(&project).contains("Tags"));
        project.tags.push(Tag { tag_key: "k".to_owned(), tag_value: "v".to_owned() });
        assert!(json(&project).contains(r#""Tags":[{"TagKey":"k","TagValue":"v"}],"TemplateId""#));
    }
}

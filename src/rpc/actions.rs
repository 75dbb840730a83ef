//! Which operations change nothing, so that a repetition cannot do twice what was asked once.

/// The first words of operations that only read, as this cloud's products name them.
const READING: [&str; 13] = [
    "Check", "Compare", "Count", "Describe", "Detect", "Extract", "Fuzzy", "Get", "List", "Query", "Search",
    "Semantic", "Simple",
];

/// Returns whether an operation only reads, by the first word of its name: `ListProjects` does, `Listen` does not.
///
/// IMM's `BatchGet…` reads too. A name that says nothing counts as one that changes something.
pub(crate) fn is_read_only(action: &str) -> bool {
    let action = action.strip_prefix("Batch").unwrap_or(action);
    let is_word = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_lowercase());
    READING.iter().any(|word| action.strip_prefix(word).is_some_and(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_tells_what_only_reads() {
        for action in ["ListProjects", "GetTask", "DescribeInstances", "QueryStories", "DetectImageFaces", "Get"] {
            assert!(is_read_only(action), "{action}");
        }
        for action in ["SimpleQuery", "FuzzyQuery", "SemanticQuery", "BatchGetFileMeta", "SearchImageFigureCluster"] {
            assert!(is_read_only(action), "{action}");
        }
        for action in ["CreateProject", "BatchIndexFileMeta", "Listen", "Getaway", "AssumeRole", "DetachOSSBucket", ""]
        {
            assert!(!is_read_only(action), "{action}");
        }
    }
}

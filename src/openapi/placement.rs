//! Where a parameter goes: IMM reads some operations' parameters from a form.

use super::operations::{FORM, SPLIT};

type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// Splits `parameters` into those of the query and those of the form. Operations that the table does not know, and other
/// products, take all of them from the query.
pub(super) fn place<'a>(
    imm: bool,
    action: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Pairs<'a>, Pairs<'a>) {
    let parameters = parameters.into_iter();
    if imm && FORM.binary_search(&action).is_ok() {
        return (Vec::new(), parameters.collect());
    }
    match SPLIT.binary_search_by_key(&action, |(name, _)| name) {
        Ok(at) if imm => parameters.partition(|(name, _)| SPLIT[at].1.binary_search(name).is_err()),
        _ => (parameters.collect(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations::QUERY;
    use super::*;

    fn form_of<'a>(action: &str, names: &[&'a str]) -> Vec<&'a str> {
        let (query, form) = place(true, action, names.iter().map(|name| (*name, "x")));
        assert_eq!(query.len() + form.len(), names.len());
        form.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn of_105_operations_85_use_the_query_14_the_form_and_6_both() {
        let split: Vec<&str> = SPLIT.iter().map(|(name, _)| *name).collect();
        assert_eq!((QUERY.len(), FORM.len(), split.len()), (85, 14, 6));
        let mut all = [&QUERY[..], &FORM, &split].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 105);
        assert!(QUERY.is_sorted() && FORM.is_sorted() && split.is_sorted());
        assert!(SPLIT.iter().all(|(_, form)| form.is_sorted()));
    }

    #[test]
    fn an_operation_of_the_form_puts_everything_there() {
        assert_eq!(form_of("UpdateStory", &["ProjectName", "ObjectId", "Cover"]), ["ProjectName", "ObjectId", "Cover"]);
        assert_eq!(form_of("CreateBatch", &["ProjectName", "AParameterOfNextYear"]).len(), 2);
    }

    #[test]
    fn a_split_operation_puts_only_what_the_table_names_into_the_form() {
        assert_eq!(form_of("ContextualAnswer", &["ProjectName", "Messages", "Files"]), ["Messages", "Files"]);
        assert_eq!(form_of("CreateOfficeConversionTask", &["ProjectName", "Sources", "Tags"]), ["Sources"]);
        assert_eq!(form_of("CreateStory", &["Notification", "ProjectName", "UserData", "Tags"]), ["ProjectName"]);
        assert_eq!(form_of("DeleteLocationDateCluster", &["ProjectName", "ObjectId"]), ["ObjectId"]);
        assert_eq!(form_of("CreateHighlightTask", &["ProjectName", "Edit", "AParameterOfNextYear"]), ["Edit"]);
    }

    #[test]
    fn everything_else_goes_to_the_query() {
        assert!(form_of("CreateProject", &["ProjectName", "Tag"]).is_empty());
        assert!(form_of("AnOperationOfNextYear", &["Messages"]).is_empty());
        assert!(form_of("", &["Messages"]).is_empty());
        let (query, form) = place(false, "CreateBatch", [("Input", "x")]);
        assert_eq!((query.len(), form.len()), (1, 0), "of another product");
    }
}

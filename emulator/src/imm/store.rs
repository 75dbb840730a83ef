//! The projects in memory, by region and name.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::project::Project;
use crate::lock::lock;

/// The projects of one region, by name.
pub(super) type Region = BTreeMap<String, Project>;

/// All projects, by region.
#[derive(Default)]
pub(crate) struct Projects {
    regions: Mutex<BTreeMap<String, Region>>,
}

impl Projects {
    /// Runs one operation on the projects of a region. Other operations wait until it has finished.
    pub(super) fn with_region<T>(&self, name: &str, operation: impl FnOnce(&mut Region) -> T) -> T {
        let mut regions = lock(&self.regions);
        let region = regions.entry(name.to_owned()).or_default();
        let result = operation(region);
        if region.is_empty() {
            // Any host can name a region, so only regions with projects are kept.
            regions.remove(name);
        }
        result
    }
}

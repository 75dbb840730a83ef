//! The limits that a profile sets for calls with its credentials: the settings of `aliyun configure set`.

use std::time::Duration;

use crate::context::SendOptions;

/// Limits are capped at this: a profile is no reason to wait for a day.
const LONGEST: u64 = 3600;

/// `connect_timeout`, `read_timeout` and `retry_count`. What is zero is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallSettings {
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    retry_count: Option<u32>,
}

impl CallSettings {
    /// Creates the settings of seconds, and of how often a call is repeated.
    pub(crate) fn new(connect_timeout: u64, read_timeout: u64, retry_count: u64) -> Self {
        let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds.min(LONGEST)));
        Self {
            connect_timeout: seconds(connect_timeout),
            read_timeout: seconds(read_timeout),
            retry_count: u32::try_from(retry_count).ok().filter(|count| *count > 0),
        }
    }

    /// Returns the options with the limits in them. The CLI's client waits for a response from when the connection stands,
    /// and ours from the start.
    pub(crate) fn limit(self, mut options: SendOptions) -> SendOptions {
        let connect = self.connect_timeout.unwrap_or(options.connect_timeout);
        options.connect_timeout = connect;
        if let Some(read) = self.read_timeout {
            options.timeout = connect.saturating_add(read);
        } else if self.connect_timeout.is_some() {
            options.timeout = options.timeout.max(connect);
        }
        options
    }

    /// Returns how often a call is attempted, if the profile says.
    #[cfg(feature = "openapi")]
    pub(crate) fn attempts(self) -> Option<u32> {
        self.retry_count.map(|count| count.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_unset_and_a_day_is_an_hour() {
        let limits = |connect, read| {
            let options = CallSettings::new(connect, read, 0).limit(SendOptions::default());
            (options.connect_timeout.as_secs(), options.timeout.as_secs())
        };
        assert_eq!(limits(0, 0), (5, 10));
        assert_eq!(limits(2, 0), (2, 10));
        assert_eq!(limits(30, 0), (30, 30));
        assert_eq!(limits(0, 20), (5, 25));
        assert_eq!(limits(1, 86_400), (1, 3601));
    }
}

//! The settings of STS that the builders of providers without a source share.

/// The methods of a provider with a field `sts`. `$new` makes one, in examples; `$region` documents the region.
macro_rules! sts_settings {
    ($provider:literal, $new:literal, $region:literal) => {
        /// Sets the outside world. The default is the real one.
        #[must_use]
        pub fn context(mut self, context: $crate::context::Context) -> Self {
            self.sts.context = context;
            self
        }

        #[doc = $region]
        #[must_use]
        pub fn region(mut self, region: impl Into<String>) -> Self {
            self.sts.endpoint.region = Some(region.into());
            self
        }

        /// Sets the STS host as `host[:port]`. It goes before the variables and the region.
        #[must_use]
        pub fn sts_endpoint(mut self, endpoint: impl Into<String>) -> Self {
            self.sts.endpoint.endpoint = Some(endpoint.into());
            self
        }

        /// Uses the region's VPC host.
        ///
        /// ```
        #[doc = $provider]
        ///
        #[doc = concat!("let provider = ", $new, ".region(\"cn-hangzhou\").vpc_endpoint(true);")]
        /// ```
        #[must_use]
        pub fn vpc_endpoint(mut self, vpc: bool) -> Self {
            self.sts.endpoint.vpc = vpc;
            self
        }

        /// Allows plain `http://` for the STS host beyond loopback: what is secret then travels in the clear.
        ///
        /// ```
        #[doc = $provider]
        ///
        #[doc = concat!("let provider = ", $new, ".sts_endpoint(\"http://sts.test.internal:8080\").allow_plain_http();")]
        /// ```
        #[must_use]
        pub fn allow_plain_http(mut self) -> Self {
            self.sts.endpoint.allow_plain_http = true;
            self
        }
    };
}

pub(super) use sts_settings;

//! What a session may be told: `SET crinoid.partial = true`.

use datafusion::{
    common::{config::ConfigExtension, extensions_options},
    config::ConfigOptions,
};

extensions_options! {
    /// The options of a session, which [`register`](crate::register) makes known to it.
    pub struct CrinoidOptions {
        /// Whether `ann` leaves out shards that are missing, instead of being an error. Its answers have a column `missing`
        /// then, which says how many.
        pub partial: bool, default = false
    }
}

impl ConfigExtension for CrinoidOptions {
    const PREFIX: &'static str = "crinoid";
}

/// Whether answers may be partial.
pub(crate) fn is_partial(options: &ConfigOptions) -> bool {
    options.extensions.get::<CrinoidOptions>().is_some_and(|own| own.partial)
}

//! `defmt`, `log`, or nothing.

/// Logs at the level of information. Arguments are integers or types that every logger can show.
macro_rules! inform {
    ($text:literal $(, $argument:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($text $(, $argument)*);
        #[cfg(feature = "log")]
        log::info!($text $(, $argument)*);
        $(let _ = &$argument;)*
    }};
}
pub(crate) use inform;

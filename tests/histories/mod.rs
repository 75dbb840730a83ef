//! Random histories of a refresher: whatever happens in whatever order, by a seed, under the virtual clock and on one thread.
//!
//! Callers ask, give up and reject; sources grant, fail, hang, panic, block their threads and repeat themselves, with right
//! and wrong `Date`s; clocks are set, machines sleep and are paused; refreshes get lost or stand still; refreshers hold
//! refreshers. What must hold all the same:
//!
//! * nothing is handed out after it could be known to be over ([`truth`]);
//! * no error while a credential is valid, and no wait beyond the rules ([`callers`]);
//! * one call of a source at a time, and none without a reason or sooner than a back-off or a second allows ([`tap`]);
//! * once all is well again whoever asks is served, and nothing is left when the last handle is gone ([`history`]).
//!
//! `cargo run --release --example histories -- 100000` runs many, `… -- --seed 7` shows one.

mod callers;
mod executor;
mod history;
mod random;
mod source;
mod tap;
mod truth;

pub(crate) use history::{Figures, History};

#[cfg(test)]
mod tests {
    use super::History;

    /// In parts, so that they run side by side.
    macro_rules! seeds {
        ($($name:ident: $from:literal)+) => {$(
            #[test]
            fn $name() {
                let problems: Vec<_> = ($from..$from + 250).filter_map(|seed| History::run(seed, false).err()).collect();
                assert!(problems.is_empty(), "{} of 250: {}", problems.len(), problems[0]);
            }
        )+};
    }

    seeds! {
        from_0: 0
        from_250: 250
        from_500: 500
        from_750: 750
    }
}

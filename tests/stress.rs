//! The cache under stress: every row under the virtual clock, and the naive cache that fails the listed ones. The folder's
//! other files hold what only a refresher can do.

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

mod failures;
mod naive;
mod rejections;
mod renewal;
mod rows;
mod time_rows;
mod wishes;
mod world;

use world::Kind;

/// Without timers and sockets: a row's tens of thousands of turns would look at them each time.
fn run<T>(row: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(row)
}

/// One test for the refresher, and one for what the naive cache makes of the same row.
macro_rules! rows {
    ($($row:ident: naive $verdict:ident;)+) => {$(
        mod $row {
            use super::*;

            #[test]
            fn refresher() {
                run(rows::$row(Kind::Refresher)).unwrap();
            }

            #[test]
            fn naive() {
                let verdict = run(rows::$row(Kind::Naive));
                assert!(rows!(@$verdict verdict), "{verdict:?}");
            }
        }
    )+};
    (@fails $verdict:ident) => { $verdict.is_err() };
    (@passes $verdict:ident) => { $verdict.is_ok() };
}

rows! {
    cold_and_the_source_answers: naive passes;
    cold_and_the_source_fails: naive fails;
    advisory_window_and_the_source_is_slow: naive fails;
    advisory_window_and_the_source_hangs: naive fails;
    mandatory_window_and_the_source_hangs: naive fails;
    advisory_and_mandatory_window_and_the_source_is_down: naive fails;
    the_source_repeats_a_nearly_expired_credential: naive fails;
    callers_give_up_before_the_source_answers: naive fails;
    a_caller_is_dropped_after_any_poll: naive fails;
    the_provider_panics: naive fails;
    thirty_minutes_of_outage_at_every_phase: naive fails;
    asleep_for_five_hours: naive passes;
    the_wall_clock_is_stepped: naive fails;
    sessions_of_900_seconds: naive passes;
    a_refresher_over_a_refresher: naive passes;
    a_literal_that_has_expired: naive fails;
    a_session_that_is_over_on_arrival: naive fails;
    a_session_that_took_a_hundred_seconds: naive passes;
    a_date_that_is_wrong_or_absent: naive passes;
    the_wall_clock_is_slow_and_the_date_is_right: naive fails;
    the_wall_clock_is_set_past_expiration: naive fails;
    resumed_five_hours_later: naive passes;
    a_source_that_blocks_its_thread: naive fails;
    a_source_that_blocks_its_thread_and_a_valid_credential: naive fails;
    ends_of_time: naive fails;
    one_lost_answer_of_sts: naive passes;
}

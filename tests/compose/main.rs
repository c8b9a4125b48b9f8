//! Compose: does the deployment keep its promises, containers, proxy and all?
//!
//! One cluster for all of it, because starting one takes longer than most checks:
//! [`the_deployment_keeps_its_promises`] names the checks in their order.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]
#![allow(unreachable_pub, reason = "pub reads as 'for the test' here")]

#[cfg(test)]
mod containers;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod renewal;

#[cfg(test)]
mod tests {
    use std::env;
    use std::time::Instant;

    use tests::compose::{Compose, has_engine};

    use crate::{containers, doors, faults, renewal};

    /// How often the check that chance decides most is repeated.
    const ROUNDS: &str = "RDB_TEST_ROUNDS";

    fn rounds() -> u32 {
        env::var(ROUNDS).map_or(1, |rounds| rounds.parse().unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_deployment_keeps_its_promises() {
        if !has_engine() {
            eprintln!("\n**** NOT TESTED: there is no container engine on this machine ****\n");
            return;
        }
        let start = Instant::now();
        let said = |what: &str| eprintln!("{:6.1?} {what}", start.elapsed());
        let (compose, printed) = Compose::start();
        said("serves");
        doors::the_printed_line_works(&printed);
        doors::the_page_is_true(&compose);
        said("readme");
        doors::the_dialect_is_the_nodes(&compose).await;
        doors::wrong_trust_is_refused_with_a_reason(&compose);
        said("doors");
        containers::nothing_is_exposed(&compose);
        containers::running_files_can_be_inspected(&compose);
        said("containers");
        for round in 0..rounds() {
            faults::stops_and_kills_fail_no_request(&compose, round).await;
            said("stops and kills");
        }
        faults::frozen_and_cut_off_nodes_are_left_behind(&compose).await;
        said("freezes and cuts");
        renewal::certificates_change_under_load(&compose).await;
        said("renewal");
        faults::all_die_and_come_back(&compose).await;
        said("all killed");
        faults::full_disks_leave_reads_and_deletes(&compose).await;
        said("full disks");
        containers::stopped_files_can_be_inspected(compose);
        said("stopped");
    }
}

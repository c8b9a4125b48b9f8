//! Status: is the cluster there? Asks the nodes over HTTPS, as a client would.

use std::fs;
use std::path::Path;
use std::time::Duration;

use api::status::{GroupStatus, Status};
use disk::fault::OrFault;
use tokio::task::JoinSet;

use crate::dev::DevError;
use crate::dev::plan::Plan;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How far the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Every running node is ready and every group has a leader.
    pub whole: bool,
    /// A majority is ready and every group has a leader.
    pub serving: bool,
    /// Nobody knows of a cluster, though every running node answers.
    pub unfounded: bool,
    /// What is missing, for people.
    pub text: String,
}

/// Asks nodes for their status.
#[derive(Clone, Debug)]
pub struct Asker {
    client: reqwest::Client,
}

impl Asker {
    /// Trusts only the authority of that certificate.
    pub fn new(ca: &Path) -> Result<Self, DevError> {
        // The second of two installations in a process fails, and is not needed.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let pem = fs::read(ca).or_fault("read certificate", ca)?;
        let client = reqwest::Certificate::from_pem(&pem).and_then(|authority| {
            reqwest::Client::builder()
                .tls_certs_only([authority])
                .no_proxy()
                .timeout(ANSWER_TIMEOUT)
                .build()
        });
        let client = client.map_err(|error| DevError::System {
            operation: "make an HTTPS client",
            error: std::io::Error::other(error),
        })?;
        Ok(Self { client })
    }

    /// Asks all nodes at once; `None` for those that do not answer.
    pub async fn ask(&self, plan: &Plan) -> Vec<Option<Status>> {
        let mut answers = vec![None; plan.nodes.len()];
        let mut asked = JoinSet::new();
        for (n, node) in plan.nodes.iter().enumerate() {
            let request = self.client.get(format!("{}/v1/status", node.url()));
            asked.spawn(async move {
                let answer = request.send().await.ok()?;
                Some((n, answer.json::<Status>().await.ok()?))
            });
        }
        while let Some(answer) = asked.join_next().await {
            if let Ok(Some((n, status))) = answer
                && let Some(slot) = answers.get_mut(n)
            {
                *slot = Some(status);
            }
        }
        answers
    }
}

/// Decides from the nodes' answers, and from which of them run, how far the
/// cluster of `groups` data groups is.
#[must_use]
pub fn judge(groups: u32, running: &[bool], answers: &[Option<Status>]) -> Judgement {
    let statuses: Vec<_> = answers.iter().flatten().collect();
    let led = |gid| {
        let leads = |group: &GroupStatus| group.gid == gid && group.leader.is_some();
        statuses.iter().any(|status| status.groups.iter().any(leads))
    };
    let leaderless: Vec<_> = (0..=groups).filter(|gid| !led(*gid)).collect();
    let knows_leaders = |status: &Status| status.groups.iter().all(|group| group.leader.is_some());
    let ready = statuses.iter().filter(|status| status.ready).count();
    let serving = leaderless.is_empty() && ready * 2 > answers.len();
    let good =
        |status: &Option<Status>| status.as_ref().is_some_and(|s| s.ready && knows_leaders(s));
    let whole = serving && running.iter().zip(answers).all(|(runs, status)| !runs || good(status));
    let all_answer = running.iter().zip(answers).all(|(runs, status)| !runs || status.is_some());
    let unfounded = all_answer && statuses.iter().all(|status| status.cluster_id.is_empty());
    let text = describe(answers.len(), &statuses, ready, &leaderless);
    Judgement { whole, serving, unfounded, text }
}

fn describe(nodes: usize, statuses: &[&Status], ready: usize, leaderless: &[u32]) -> String {
    let mut text = format!("{} of {nodes} nodes answer, {ready} ready", statuses.len());
    if !leaderless.is_empty() && !statuses.is_empty() {
        let names: Vec<_> = leaderless.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", no leader yet in group {}", names.join(", ")));
    }
    // One is enough: they differ in little, and the rest is in the nodes' logs.
    if let Some(reason) = statuses.iter().find_map(|status| status.reason.as_ref()) {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(ready: bool, leaders: &[Option<&str>]) -> Option<Status> {
        let groups = (0..).zip(leaders).map(|(gid, leader)| {
            let leader = leader.map(str::to_owned);
            GroupStatus { gid, leader, ..GroupStatus::default() }
        });
        let cluster_id = "c1".to_owned();
        Some(Status { cluster_id, ready, groups: groups.collect(), ..Status::default() })
    }

    #[test]
    fn the_cluster_is_whole_when_all_running_nodes_are_ready_and_see_leaders() {
        let good = status(true, &[Some("a"), Some("b")]);
        let judgement = judge(1, &[true; 3], &[good.clone(), good.clone(), good.clone()]);
        assert!(judgement.whole && judgement.serving);

        let blind = status(true, &[Some("a"), None]);
        let judgement = judge(1, &[true; 3], &[good.clone(), good.clone(), blind]);
        assert!(!judgement.whole && judgement.serving);

        let judgement = judge(1, &[true, true, false], &[good.clone(), good.clone(), None]);
        assert!(judgement.whole);
        let judgement = judge(1, &[true; 3], &[good.clone(), good, None]);
        assert!(!judgement.whole && judgement.serving);
    }

    #[test]
    fn a_group_without_leader_or_a_minority_serves_nobody() {
        let led = status(true, &[Some("a"), Some("b")]);
        let leaderless = status(true, &[Some("a"), None]);
        let judgement = judge(1, &[true; 2], &[leaderless.clone(), leaderless]);
        assert!(!judgement.serving);
        assert_eq!(judgement.text, "2 of 2 nodes answer, 2 ready, no leader yet in group 1");
        assert!(!judge(1, &[true, false, false], &[led, None, None]).serving);
    }

    #[test]
    fn a_cluster_nobody_knows_of_is_unfounded() {
        let reason = Some("waiting for rdb_replica_1".to_owned());
        let waiting = Some(Status { reason, ..Status::default() });
        let judgement = judge(1, &[true, false], &[waiting, None]);
        assert!(judgement.unfounded);
        assert!(judgement.text.contains("(waiting for rdb_replica_1)"), "{}", judgement.text);
        assert!(!judge(1, &[true; 2], &[status(false, &[]), None]).unfounded);
    }
}

//! Campaign: how a group finds its leader, and how one hands over.
//!
//! openraft decides when to stand and whether a ballot wins. This module
//! carries votes, pre-votes and transfers between nodes: [`ask_vote`] and
//! [`tell_transfer`] send, [`Campaigning`] answers.
//!
//! # Invariants
//!
//! * C1: a granted vote is on disk before its reply leaves the node (the log's
//!   `save_vote` returns only then).
//! * C2: a member that cannot be reached grants no pre-vote.
//!
//! # Not here
//!
//! Timers are openraft configuration; whose log is newer is the log's to say.

use std::sync::Arc;
use std::time::Duration;

use openraft::errors::RPCError;
use openraft::raft::{TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse};
use tonic::{Request, Response, Status};

use api::wire::peer;
use api::wire::peer::campaign_client::CampaignClient;
use api::wire::peer::campaign_server::Campaign;

use crate::binding::Types;
use crate::message;
use crate::network::{Line, unreachable};
use crate::switchboard::{Switchboard, refuse};

/// Asks a member for its vote, or whether it would give it.
pub async fn ask_vote(
    line: &Line,
    request: &VoteRequest<Types>,
    pre_vote: bool,
    ttl: Duration,
) -> Result<VoteResponse<Types>, RPCError<Types>> {
    let mut client = CampaignClient::new(line.peer()?.control.clone());
    let call = client.vote(message::vote_request(line.route(), request, pre_vote));
    let response = tokio::time::timeout(ttl, call).await.map_err(unreachable)?;
    let response = response.map_err(unreachable)?.into_inner();
    message::read_vote_response(response).map_err(unreachable)
}

/// Tells a member that the leader hands over.
pub async fn tell_transfer(
    line: &Line,
    request: &TransferLeaderRequest<Types>,
    ttl: Duration,
) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
    let mut client = CampaignClient::new(line.peer()?.control.clone());
    let call = client.transfer(message::transfer(line.route(), request));
    let response = tokio::time::timeout(ttl, call).await.map_err(unreachable)?;
    let refused = message::read_transfer_refusal(response.map_err(unreachable)?.into_inner());
    Ok(refused.map_err(unreachable)?.map_or(Ok(()), Err))
}

/// Answers members' votes and transfers.
pub struct Campaigning(pub Arc<Switchboard>);

#[tonic::async_trait]
impl Campaign for Campaigning {
    async fn vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteResponse>, Status> {
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let message = request.into_inner();
        let pre_vote = message.pre_vote;
        let request = message::read_vote_request(message).map_err(|bad| refuse(&bad))?;
        let response = group.handle.vote(request, pre_vote).await;
        let response = response.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        Ok(Response::new(message::vote_response(&response)))
    }

    async fn transfer(
        &self,
        request: Request<peer::TransferRequest>,
    ) -> Result<Response<peer::TransferResponse>, Status> {
        let group = self.0.group(&request, |message| message.route.as_ref())?;
        let request = message::read_transfer(request.into_inner()).map_err(|bad| refuse(&bad))?;
        let response = group.handle.hear_transfer(request).await;
        let response = response.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        Ok(Response::new(message::transfer_refusal(response.as_ref().err())))
    }
}

//! Asks upstreams for their health now and then, over connections of its own, and ends unused ones of the pools.

use std::{convert::Infallible, time::Duration};

use futures_util::future::join_all;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    config::CheckConfig,
    exchange::{Ask, ReadMethod},
    fleet::{Fleet, Member},
    forward,
    health::Outcome,
};

/// How often unused connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Never returns: its owner drops it.
pub(super) async fn run(fleet: &Fleet) -> Infallible {
    join_all(fleet.members.iter().map(|member| async {
        let watching = async {
            match &member.config.check {
                Some(check) => watch(fleet, member, check).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            never = watching => never,
            never = sweep(member) => never,
        }
    }))
    .await;
    // There is at least one upstream, and none of them is ever done.
    std::future::pending().await
}

async fn sweep(member: &Member) -> Infallible {
    let mut tick = interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        member.pool.sweep();
    }
}

async fn watch(fleet: &Fleet, member: &Member, check: &CheckConfig) -> Infallible {
    let target: PathAndQuery = check.path.parse().expect("the path was read before");
    let headers = forward::outgoing(HeaderMap::new(), &rillcast_http::RequestId::INTERNAL, &fleet.node);
    let ask = Ask { method: ReadMethod::Get, target, headers };
    let mut tick = interval(check.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let is_well = timeout(check.timeout, is_well(member, &ask)).await.unwrap_or(false);
        member.tell_check(if is_well { Outcome::Well } else { Outcome::Failed });
    }
}

/// Whether a connection can be made and the answer is a 2xx.
async fn is_well(member: &Member, ask: &Ask) -> bool {
    let maker = &member.pool.maker;
    let Ok(mut line) = maker.make().await else { return false };
    let request = ask.to_request(&maker.address, &line);
    line.send(request).await.is_ok_and(|response| response.status().is_success())
}

//! Orders, state and feed together.

mod feed;
mod file;
mod follower;
mod ledger;
mod sockets;
mod wire;

use rillcast_token::KeyState;
use serde_json::{Map, Value, json};

use super::feed::{OrderFeed, Tail};
use super::order::{
    KeyChange, KeyRecord, Limits, Name, Order, OrderBody, Purge, Purged, Rates, Revocation, Revoked,
    UnixMicros, UrlText,
};
use super::snapshot::FeedId;

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn feed_id(text: &str) -> FeedId {
    FeedId::parse(text).expect("an id")
}

fn jwk(secret: &str) -> Map<String, Value> {
    let Value::Object(jwk) = json!({"kty": "oct", "k": secret}) else { unreachable!("an object") };
    jwk
}

fn key(kid: &str, state: KeyState) -> OrderBody {
    OrderBody::Key(KeyChange::Upsert(KeyRecord {
        kid: name(kid),
        environment: None,
        state,
        jwk: jwk("hidden"),
    }))
}

fn revoke(session: &str, until: u64) -> OrderBody {
    OrderBody::Revoke(Revocation {
        what: Revoked::Session(name(session)),
        environment: None,
        until_us: UnixMicros(until),
    })
}

fn purge(url: &str) -> OrderBody {
    let url = UrlText::new(url).expect("a URL");
    OrderBody::Purge(Purge { what: Purged::Url { url }, environment: Some(name("e")), soft: false })
}

fn limits(environment: &str, burst: u32) -> OrderBody {
    let token = Rates { burst: Some(burst), ..Rates::default() };
    OrderBody::Limits(Limits { environment: Some(name(environment)), token, client: Rates::default() })
}

/// What comes after `seq`, read.
fn tail(feed: &OrderFeed, seq: u64) -> Option<Vec<Order>> {
    match feed.after(feed.id(), seq, usize::MAX) {
        Tail::Orders(orders) => {
            let read = |line: &str| Order::parse(line.as_bytes()).expect("an order");
            Some(orders.iter().map(|order| read(&order.line)).collect())
        }
        Tail::Gone => None,
    }
}

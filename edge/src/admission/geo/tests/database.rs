//! A writer of databases in MaxMind's format, as small as they can be: version 2, 24-bit records, a tree of version 6
//! in which addresses of version 4 lie at `::/96`.

use std::net::IpAddr;

/// What an entry says.
pub(super) enum Value {
    Text(String),
    Number(u32),
    Map(Vec<(&'static str, Self)>),
}

/// Zeroes between the tree and the data.
const GAP: u32 = 16;

/// One half of a node.
#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A database that says of itself to be a `kind`, with the entry of each network: address and length of prefix.
pub(super) fn write(kind: &str, networks: &[(&str, u8, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Record::Nothing; 2]];
    let mut data = Vec::new();
    for (address, len, value) in networks {
        let start = data.len();
        put(&mut data, value);
        let (bits, len) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(address.to_bits()), usize::from(*len) + 96),
            IpAddr::V6(address) => (address.to_bits(), usize::from(*len)),
        };
        insert(&mut nodes, bits, len, start);
    }
    let count = u32::try_from(nodes.len()).expect("a small tree");
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match record {
            Record::Nothing => count,
            Record::Node(node) => u32::try_from(*node).expect("a small tree"),
            Record::Data(at) => count + GAP + u32::try_from(*at).expect("little data"),
        };
        bytes.extend_from_slice(&value.to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; GAP as usize]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    put_metadata(&mut bytes, kind, count);
    bytes
}

fn insert(nodes: &mut Vec<[Record; 2]>, bits: u128, len: usize, data: usize) {
    let mut at = 0;
    for depth in 0..len {
        let side = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == len {
            nodes[at][side] = Record::Data(data);
            return;
        }
        at = match nodes[at][side] {
            Record::Node(next) => next,
            _ => {
                nodes.push([Record::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[at][side] = Record::Node(next);
                next
            }
        };
    }
}

fn put_metadata(out: &mut Vec<u8>, kind: &str, count: u32) {
    out.push(7 << 5 | 9);
    put_text(out, "binary_format_major_version");
    out.extend([5 << 5 | 1, 2]);
    put_text(out, "binary_format_minor_version");
    out.push(5 << 5);
    put_text(out, "build_epoch");
    // An extended type: 7 and 2 are 9, an unsigned number of 64 bits.
    out.extend([4, 2]);
    out.extend(1_700_000_000_u32.to_be_bytes());
    put_text(out, "database_type");
    put_text(out, kind);
    put_text(out, "description");
    out.push(7 << 5);
    put_text(out, "ip_version");
    out.extend([5 << 5 | 1, 6]);
    put_text(out, "languages");
    // 7 and 4 are 11, an array.
    out.extend([0, 4]);
    put_text(out, "node_count");
    put(out, &Value::Number(count));
    put_text(out, "record_size");
    out.extend([5 << 5 | 1, 24]);
}

fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => put_text(out, text),
        Value::Number(number) => {
            out.push(6 << 5 | 4);
            out.extend(number.to_be_bytes());
        }
        Value::Map(fields) => {
            out.push(7 << 5 | u8::try_from(fields.len()).expect("few fields"));
            for (name, value) in fields {
                put_text(out, name);
                put(out, value);
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u8::try_from(text.len()).expect("a short text");
    assert!(len < 29, "longer texts need more than a byte for their length");
    out.push(2 << 5 | len);
    out.extend(text.as_bytes());
}

//! Boxes as a tree that can be changed before it is written (ISO/IEC 14496-12 §4.2).

/// A box: its own fields, then its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Four-character code.
    pub fourcc: [u8; 4],
    /// Payload before the children; version and flags included.
    pub fields: Vec<u8>,
    /// Boxes inside.
    pub children: Vec<Self>,
    /// What the size field says instead of the truth.
    pub claims: Option<u32>,
    /// Whether the size is written in 64 bits.
    pub large: bool,
}

impl Node {
    /// A box of fields alone.
    pub fn leaf(fourcc: &[u8; 4], fields: impl Into<Vec<u8>>) -> Self {
        Self { fourcc: *fourcc, fields: fields.into(), children: Vec::new(), claims: None, large: false }
    }

    /// A box of children alone.
    pub fn of(fourcc: &[u8; 4], children: Vec<Self>) -> Self {
        Self { children, ..Self::leaf(fourcc, []) }
    }

    /// A full box: version and flags, then `rest`.
    pub fn full(fourcc: &[u8; 4], version: u8, flags: u32, rest: &[u8]) -> Self {
        let mut fields = ((u32::from(version) << 24) | (flags & 0x00ff_ffff)).to_be_bytes().to_vec();
        fields.extend_from_slice(rest);
        Self::leaf(fourcc, fields)
    }

    /// Bytes of the box, header included.
    pub fn len(&self) -> usize {
        self.header_len() + self.fields.len() + self.children.iter().map(Self::len).sum::<usize>()
    }

    /// Never: a box has a header.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Bytes before the fields.
    pub const fn header_len(&self) -> usize {
        if self.large { 16 } else { 8 }
    }

    /// Overwrites the big-endian number at byte `at` of the fields.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        self.fields[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    fn write(&self, out: &mut Vec<u8>) {
        let len = self.len();
        let small = if self.large { 1 } else { u32::try_from(len).expect("a small file") };
        out.extend_from_slice(&self.claims.unwrap_or(small).to_be_bytes());
        out.extend_from_slice(&self.fourcc);
        if self.large {
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
        out.extend_from_slice(&self.fields);
        for child in &self.children {
            child.write(out);
        }
    }
}

/// A file as a list of boxes. Paths name a box by its codes: `moov/trak.1/mdia` is in the second `trak`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// The boxes at the top.
    pub nodes: Vec<Node>,
}

impl File {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for node in &self.nodes {
            node.write(&mut out);
        }
        out
    }

    /// The box at `path`, to change it.
    ///
    /// # Panics
    /// If there is none.
    pub fn at(&mut self, path: &str) -> &mut Node {
        let (list, index) = self.slot(path);
        &mut list[index]
    }

    /// Takes the box at `path` out.
    pub fn remove(&mut self, path: &str) -> Node {
        let (list, index) = self.slot(path);
        list.remove(index)
    }

    /// Puts a copy of the box at `path` behind it.
    pub fn duplicate(&mut self, path: &str) {
        let (list, index) = self.slot(path);
        let copy = list[index].clone();
        list.insert(index + 1, copy);
    }

    /// First byte of the box at `path`.
    pub fn offset(&self, path: &str) -> u64 {
        let mut list = &self.nodes;
        let mut offset = 0;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let index = find(list, part);
            offset += list[..index].iter().map(Node::len).sum::<usize>();
            let node = &list[index];
            if parts.peek().is_some() {
                offset += node.header_len() + node.fields.len();
                list = &node.children;
            }
        }
        offset as u64
    }

    fn slot(&mut self, path: &str) -> (&mut Vec<Node>, usize) {
        let mut list = &mut self.nodes;
        let mut parts = path.split('/').peekable();
        loop {
            let part = parts.next().expect("a path has a part");
            let index = find(list, part);
            if parts.peek().is_none() {
                return (list, index);
            }
            list = &mut list[index].children;
        }
    }
}

fn find(list: &[Node], part: &str) -> usize {
    let (code, number) = part.split_once('.').unwrap_or((part, "0"));
    let number: usize = number.parse().expect("a number after the dot");
    let mut places = list.iter().enumerate().filter(|(_, node)| node.fourcc == code.as_bytes());
    places.nth(number).map(|(index, _)| index).expect("the path names a box of the file")
}

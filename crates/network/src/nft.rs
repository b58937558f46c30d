//! nf_tables: batches of changes to one table, each taken whole or not at all.
//!
//! Only what our table needs (see [`crate::table`]). Names and numbers are those of `linux/netfilter/nf_tables.h`.

pub mod rule;

use std::io;

use crate::netlink::{APPEND, Attributes, CREATE, DUMP, Message, Socket};

pub use rule::{Rule, Verdict};

const SUBSYSTEM: u16 = 10 << 8;
const NFPROTO_INET: u8 = 1;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
/// Deletes, and is no error where it is gone already. Linux 6.3.
const DESTROYSETELEM: u16 = SUBSYSTEM | 30;
/// Elements of one message; all of them must fit an attribute of 64 KiB.
const ELEMENTS_A_MESSAGE: usize = 256;
/// `NFTA_LIST_ELEM`.
const LIST_ELEMENT: u16 = 1;
/// Bytes of an interface's name in a key.
pub const NAME_BYTES: usize = 16;

/// Where a chain of its own takes packets from the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    pub kind: &'static str,
    pub number: u32,
    pub priority: i32,
}

/// What a set is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// Single keys.
    Plain,
    /// Ranges of addresses.
    Interval,
    /// Keys of an interface and a range of addresses.
    ConcatInterval,
    /// Keys that go after a while.
    Timeout,
    /// Filled by a rule, with a limit for each key.
    Dynamic,
}

/// A set: its name, the widths of its keys' parts, and what `nft list` calls their types.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    pub name: &'static str,
    pub parts: &'static [Part],
    pub kind: SetKind,
    pub size: u32,
}

/// A part of a key: its type as the nft program numbers it, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: u32,
    bytes: u32,
}

pub const ADDRESS: Part = Part { number: 7, bytes: 4 };
pub const INTERFACE: Part = Part { number: 41, bytes: NAME_BYTES as u32 };

/// One element.
#[derive(Debug, Clone, Default)]
pub struct Element {
    pub key: Vec<u8>,
    /// The last key of a range of parts.
    pub key_end: Option<Vec<u8>>,
    /// It is the first key that is not in the range before it.
    pub ends_range: Option<EndsRange>,
    pub timeout_ms: Option<u64>,
}

/// See [`Element::ends_range`].
#[derive(Debug, Clone, Copy)]
pub struct EndsRange;

/// Changes to the table called `table`, in their order.
#[derive(Debug)]
pub struct Batch {
    table: String,
    messages: Vec<Message>,
}

impl Batch {
    pub fn new(table: &str) -> Self {
        Self { table: table.to_owned(), messages: Vec::new() }
    }

    /// An empty table, whether there was one or not.
    pub fn table_anew(&mut self) {
        self.table_removed();
        self.table_there();
    }

    /// No table, whether there was one or not.
    pub fn table_removed(&mut self) {
        // What is not there cannot be deleted.
        self.table_there();
        let name = Attributes::new().text(1, &self.table);
        self.push(DELTABLE, 0, &name);
    }

    /// The table, as it is if it is there.
    pub fn table_there(&mut self) {
        let name = Attributes::new().text(1, &self.table);
        self.push(NEWTABLE, CREATE, &name);
    }

    pub fn chain(&mut self, name: &str, hook: Option<Hook>) {
        let mut chain = Attributes::new().text(1, &self.table).text(3, name);
        if let Some(hook) = hook {
            let place = Attributes::new().big(1, hook.number).put(2, &hook.priority.to_be_bytes());
            const ACCEPT: u32 = 1;
            chain = chain.nest(4, &place).big(5, ACCEPT).text(7, hook.kind);
        }
        self.push(NEWCHAIN, CREATE, &chain);
    }

    pub fn rule(&mut self, chain: &str, rule: &Rule) {
        let attributes = Attributes::new().text(1, &self.table).text(2, chain).nest(4, rule.expressions());
        self.push(NEWRULE, CREATE | APPEND, &attributes);
    }

    pub fn set(&mut self, set: &Set, id: u32) {
        const INTERVAL: u32 = 4;
        const TIMEOUT: u32 = 0x10;
        const EVAL: u32 = 0x20;
        const CONCAT: u32 = 0x80;
        let flags = match set.kind {
            SetKind::Plain => 0,
            SetKind::Interval => INTERVAL,
            SetKind::ConcatInterval => INTERVAL | CONCAT,
            SetKind::Timeout => TIMEOUT,
            SetKind::Dynamic => EVAL,
        };
        let number = set.parts.iter().fold(0, |sum, part| sum << 6 | part.number);
        let length = set.parts.iter().map(|part| part.bytes).sum();
        let mut description = Attributes::new().big(1, set.size);
        if set.kind == SetKind::ConcatInterval {
            let fields = set.parts.iter().fold(Attributes::new(), |fields, part| {
                fields.nest(LIST_ELEMENT, &Attributes::new().big(1, part.bytes))
            });
            description = description.nest(2, &fields);
        }
        let attributes = Attributes::new()
            .text(1, &self.table)
            .text(2, set.name)
            .big(3, flags)
            .big(4, number)
            .big(5, length)
            .nest(9, &description)
            .big(10, id);
        self.push(NEWSET, CREATE, &attributes);
    }

    pub fn add(&mut self, set: &Set, elements: &[Element]) {
        self.elements(NEWSETELEM, CREATE, set, elements);
    }

    /// Each of them, if it is there.
    pub fn destroy(&mut self, set: &Set, elements: &[Element]) {
        self.elements(DESTROYSETELEM, 0, set, elements);
    }

    fn elements(&mut self, kind: u16, flags: u16, set: &Set, elements: &[Element]) {
        for elements in elements.chunks(ELEMENTS_A_MESSAGE) {
            let list =
                elements.iter().fold(Attributes::new(), |list, element| list.nest(LIST_ELEMENT, &element.write()));
            let attributes = Attributes::new().text(1, &self.table).text(2, set.name).nest(3, &list);
            self.push(kind, flags, &attributes);
        }
    }

    fn push(&mut self, kind: u16, flags: u16, attributes: &Attributes) {
        self.messages.push(Message::new(kind, flags, &family(NFPROTO_INET, 0), attributes));
    }

    /// The kernel takes all of it or nothing.
    pub fn send(mut self, socket: &mut Socket) -> io::Result<()> {
        let Some(last) = self.messages.pop() else { return Ok(()) };
        let bracket = |kind| Message::new(kind, 0, &family(0, SUBSYSTEM >> 8), &Attributes::new());
        let mut all = vec![bracket(BATCH_BEGIN)];
        all.extend(self.messages);
        all.extend([last.acknowledged(), bracket(BATCH_END)]);
        socket.ask(&all)
    }
}

/// Lists tables, to see whether the kernel has any.
pub fn ask_whether_there(socket: &mut Socket) -> io::Result<()> {
    const GETTABLE: u16 = SUBSYSTEM | 1;
    let question = Message::new(GETTABLE, DUMP, &family(NFPROTO_INET, 0), &Attributes::new());
    socket.dump(&question).map(drop)
}

/// `struct nfgenmsg`; the resource is in network order.
fn family(family: u8, resource: u16) -> [u8; 4] {
    let resource = resource.to_be_bytes();
    [family, 0, resource[0], resource[1]]
}

impl Element {
    pub fn of(key: Vec<u8>) -> Self {
        Self { key, ..Self::default() }
    }

    fn write(&self) -> Attributes {
        const INTERVAL_END: u32 = 1;
        let value = |bytes: &[u8]| Attributes::new().put(1, bytes);
        let mut element = Attributes::new().nest(1, &value(&self.key));
        if self.ends_range.is_some() {
            element = element.big(3, INTERVAL_END);
        }
        if let Some(ms) = self.timeout_ms {
            element = element.put(4, &ms.to_be_bytes());
        }
        if let Some(end) = &self.key_end {
            element = element.nest(10, &value(end));
        }
        element
    }
}

/// An interface's name as a part of a key.
pub fn name_key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.resize(NAME_BYTES, 0);
    key
}

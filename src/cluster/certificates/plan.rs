//! What to do next, from what is there: no clock, no key and no network.
//!
//! Three things are kept true. A leaf serves only where its authority is in the `caBundle` of every webhook, and has been for as
//! long as an API server may take to read it. An authority leaves the bundle after the last leaf that it can have signed. And
//! nothing is replaced that somebody else has put there.

use std::collections::BTreeMap;
use std::fmt;

/// How long before it is made a certificate begins, in seconds: clocks of nodes and of API servers differ.
pub const BACKDATED: i64 = 3600;
/// The most authorities that are trusted at a time.
pub const MOST_AUTHORITIES: usize = 8;
/// How often everything is looked at where nothing is due, in seconds.
const LOOK: i64 = 300;

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 32]);

/// A certificate, as far as its age matters. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Which one.
    pub id: Id,
    /// Its `notBefore`: [`BACKDATED`] before it was made.
    pub begins: i64,
    /// Its `notAfter`.
    pub ends: i64,
}

/// A serving certificate, signed by an authority of the same Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Itself.
    pub certificate: Certificate,
    /// Who signed it.
    pub signer: Id,
}

/// What a Secret holds that can be gone on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The newest authority, whose key is there.
    pub signer: Certificate,
    /// The others that are trusted, newest first.
    pub others: Vec<Certificate>,
    /// The leaf, and its key; or what is wrong with it, where there is anything.
    pub leaf: Result<Leaf, Option<String>>,
}

/// What is found under the Secret's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// No Secret.
    Missing,
    /// One that nothing was written to yet.
    Empty,
    /// Ours.
    Ours(Contents),
    /// Ours once, but it cannot be gone on from.
    Corrupt {
        /// What is wrong.
        why: String,
        /// The authorities in it that can be read.
        authorities: Vec<Certificate>,
        /// Whether what was good last is not wanted back: a part was taken out, not damaged.
        is_dismissed: bool,
    },
    /// Somebody else's: why that is known.
    Foreign(String),
}

/// How long things last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// An authority.
    pub authority: i64,
    /// A leaf.
    pub leaf: i64,
    /// Until every API server has read a `caBundle`.
    pub propagation: i64,
}

/// What the webhooks of the configurations trust, as one replica sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    bundles: Vec<Vec<Option<Certificate>>>,
    since: BTreeMap<Id, i64>,
}

/// Everything that is known.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// By this node's clock.
    pub now: i64,
    /// As configured.
    pub ages: Ages,
    /// In the Secret.
    pub held: &'a Held,
    /// The last that was good in the Secret, keys included.
    pub memory: Option<&'a Contents>,
    /// What this replica serves, and its authority.
    pub serving: Option<(Leaf, Certificate)>,
    /// In the configurations. None: not known, or one of them is not there.
    pub trusted: Option<&'a Trusted>,
}

/// What to do. The two are independent: where one fails, the other still helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to write to the Secret.
    pub change: Option<Change>,
    /// What every `caBundle` has to hold, where one does not.
    pub trust: Option<Vec<Id>>,
    /// When something is due next, if nothing happens until then.
    pub look: i64,
}

/// A new content of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where that comes from which is not new.
    pub base: Base,
    /// Whether the authority that signs is made anew.
    pub new_authority: bool,
    /// Whether the leaf is made anew, by the authority that signs then.
    pub new_leaf: bool,
    /// The other authorities, newest first.
    pub others: Vec<Id>,
    /// Why.
    pub cause: Cause,
}

/// Where that comes from which is not new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The Secret.
    Secret,
    /// What was good in it last.
    Memory,
    /// Nowhere: all is new.
    Nothing,
}

/// Why the Secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing was in it.
    First,
    /// Two thirds of the life are over.
    Age,
    /// The new authority is trusted by now.
    NewAuthority,
    /// An authority is needed no more.
    Leftover,
    /// An authority whose leaf still serves is not in it.
    Adopted,
    /// Its content ended, or begins later.
    Ended,
    /// It was deleted.
    Missing,
    /// It cannot be used.
    Corrupt(String),
}

/// What is to be made of a Secret that is somebody else's: nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Certificate {
    /// When it was made.
    pub fn made(&self) -> i64 {
        self.begins.saturating_add(BACKDATED)
    }

    /// Whether it can be shown now.
    pub fn is_valid(&self, now: i64) -> bool {
        self.begins <= now && now < self.ends
    }

    /// When it is to be replaced: after two thirds of its life.
    pub fn due(&self) -> i64 {
        self.after(2, 3)
    }

    fn after(&self, part: i64, of: i64) -> i64 {
        let life = self.ends.saturating_sub(self.made()).max(0);
        self.made().saturating_add(life.saturating_mul(part) / of)
    }
}

impl Contents {
    /// All authorities, the newest first.
    pub fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.signer).chain(&self.others)
    }

    fn has(&self, id: Id) -> bool {
        self.authorities().any(|authority| authority.id == id)
    }
}

impl Trusted {
    /// Takes in what the bundles hold now, of each webhook; None stands for what is not ours.
    pub fn see(&mut self, now: i64, bundles: Vec<Vec<Option<Certificate>>>) {
        let mut ids: Vec<Id> = bundles.iter().flatten().flatten().map(|certificate| certificate.id).collect();
        ids.retain(|id| bundles.iter().all(|bundle| bundle.iter().flatten().any(|its| its.id == *id)));
        self.since = ids.into_iter().map(|id| (id, self.since.get(&id).copied().unwrap_or(now).min(now))).collect();
        self.bundles = bundles;
    }

    /// Since when all of them have been seen to trust it.
    pub fn since(&self, id: Id) -> Option<i64> {
        self.since.get(&id).copied()
    }

    fn everybody(&self) -> impl Iterator<Item = &Certificate> {
        self.bundles.iter().flatten().flatten()
    }

    fn is(&self, wanted: &[Id]) -> bool {
        let is = |bundle: &Vec<Option<Certificate>>| {
            bundle.len() == wanted.len()
                && bundle.iter().zip(wanted).all(|(its, id)| its.is_some_and(|its| its.id == *id))
        };
        self.bundles.iter().all(is)
    }
}

impl Cause {
    /// Of what kind the damage is that this puts right, where it does.
    pub fn repairs(&self) -> Option<&'static str> {
        match self {
            Cause::Missing => Some("secret_missing"),
            Cause::Corrupt(_) | Cause::Adopted | Cause::Ended => Some("secret_corrupt"),
            Cause::First | Cause::Age | Cause::NewAuthority | Cause::Leftover => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::First => f.write_str("there was none"),
            Cause::Age => f.write_str("two thirds of its life are over"),
            Cause::NewAuthority => f.write_str("the new authority is trusted by now"),
            Cause::Leftover => f.write_str("an authority is needed no more"),
            Cause::Adopted => f.write_str("an authority whose leaf still serves was not in it"),
            Cause::Ended => f.write_str("what it held has ended, or begins later than now"),
            Cause::Missing => f.write_str("the Secret was deleted"),
            Cause::Corrupt(why) => f.write_str(why),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'a> View<'a> {
    /// What to do.
    pub fn plan(&self) -> Result<Plan, Refusal> {
        let contents = match self.held {
            Held::Foreign(why) => return Err(Refusal(why.clone())),
            Held::Ours(contents) if contents.signer.is_valid(self.now) => contents,
            Held::Ours(_) => return Ok(self.recover(Cause::Ended)),
            Held::Missing => return Ok(self.recover(Cause::Missing)),
            Held::Empty if self.memory.is_some() => {
                return Ok(self.recover(Cause::Corrupt("what the Secret held was taken out".to_owned())));
            }
            Held::Empty => return Ok(self.recover(Cause::First)),
            Held::Corrupt { why, .. } => return Ok(self.recover(Cause::Corrupt(why.clone()))),
        };
        let wanted: Vec<Id> = contents.authorities().map(|authority| authority.id).collect();
        let is_trusted = self.trusted.is_some_and(|trusted| trusted.is(&wanted));
        let (change, look) = match self.change(contents) {
            Ok(change) => (Some(change), self.now + LOOK),
            Err(look) => (None, look),
        };
        let look = self.served(contents).map_or(look, |at| look.min(at)).max(self.now + 1);
        Ok(Plan { change, trust: (!is_trusted).then_some(wanted), look })
    }

    /// When the leaf of the Secret may serve, if it waits for that.
    fn served(&self, contents: &Contents) -> Option<i64> {
        let offered = contents.leaf.as_ref().ok()?;
        let (leaf, _) = self.serving.filter(|(leaf, _)| leaf != offered)?;
        let since = self.trusted.and_then(|trusted| trusted.since(offered.signer));
        let spread = since.map(|since| since.saturating_add(self.ages.propagation));
        Some(spread.unwrap_or(leaf.certificate.ends).min(leaf.certificate.ends))
    }

    /// Whether this leaf of the Secret may serve from now on.
    pub fn may_serve(&self, offered: &Leaf) -> bool {
        // One that begins later is of a replica whose clock is ahead: nobody would take it before.
        if !offered.certificate.is_valid(self.now) {
            return false;
        }
        let since = |id| self.trusted.and_then(|trusted| trusted.since(id));
        match self.serving {
            // What serves is trusted: what follows has to be, everywhere.
            Some((leaf, _)) if leaf.certificate.is_valid(self.now) && leaf.signer == offered.signer => true,
            Some((leaf, _))
                if leaf.certificate.is_valid(self.now) && (self.trusted.is_none() || since(leaf.signer).is_some()) =>
            {
                since(offered.signer).is_some_and(|since| since.saturating_add(self.ages.propagation) <= self.now)
            }
            // Nothing serves that would be trusted. Where it is not known who trusts what, nobody may be there to ask.
            _ => self.trusted.is_none() || since(offered.signer).is_some(),
        }
    }

    /// What to change in a Secret that can be gone on from; else when it is next to be looked at.
    fn change(&self, contents: &Contents) -> Result<Change, i64> {
        let signer = contents.signer;
        let leaf =
            contents.leaf.as_ref().ok().filter(|leaf| contents.has(leaf.signer) && leaf.certificate.is_valid(self.now));
        let others = self.others(contents, leaf);
        let change = |new_authority: bool, new_leaf: bool, cause: Cause| {
            let own = new_authority.then_some(signer.id);
            let mut others: Vec<Id> = own.into_iter().chain(others.iter().map(|other| other.id)).collect();
            others.truncate(MOST_AUTHORITIES - 1);
            Change { base: Base::Secret, new_authority, new_leaf, others, cause }
        };
        if let Some(authority) = self.forgotten(contents) {
            let mut adopted = change(false, leaf.is_none(), Cause::Adopted);
            adopted.others.truncate(MOST_AUTHORITIES - 2);
            adopted.others.push(authority);
            return Ok(adopted);
        }
        if signer.due() <= self.now {
            return Ok(change(true, leaf.is_none(), Cause::Age));
        }
        let Some(leaf) = leaf else {
            let cause = match &contents.leaf {
                Ok(leaf) if contents.has(leaf.signer) => Cause::Ended,
                Ok(_) => Cause::Corrupt("the authority of its certificate is not in it".to_owned()),
                Err(Some(why)) => Cause::Corrupt(why.clone()),
                Err(None) => Cause::First,
            };
            return Ok(change(false, true, cause));
        };
        let mut look = [self.now + LOOK, signer.due()].into_iter().min().unwrap_or(self.now);
        if leaf.signer == signer.id {
            if leaf.certificate.due() <= self.now {
                return Ok(change(false, true, Cause::Age));
            }
            look = look.min(leaf.certificate.due());
        } else {
            let since = self.trusted.and_then(|trusted| trusted.since(signer.id));
            let spread = since.map(|since| since.saturating_add(self.ages.propagation));
            // In the last tenth of its life it is better to be trusted by some.
            let last_call = leaf.certificate.after(9, 10);
            if spread.is_some_and(|spread| spread <= self.now) {
                return Ok(change(false, true, Cause::NewAuthority));
            }
            if last_call <= self.now {
                return Ok(change(false, true, Cause::Age));
            }
            look = look.min(spread.unwrap_or(last_call)).min(last_call);
        }
        if others.len() < contents.others.len() {
            return Ok(change(false, false, Cause::Leftover));
        }
        Err(look.max(self.now + 1))
    }

    /// The authorities beside the one that signs that are needed: those of which some replica may show a leaf.
    fn others(&self, contents: &Contents, leaf: Option<&Leaf>) -> Vec<Certificate> {
        let signer = contents.signer;
        // A replica may miss a change for a while, and clocks differ.
        let grace = self.ages.leaf.min(BACKDATED);
        let is_over = leaf.is_some_and(|leaf| {
            let signed_last = signer.made().saturating_add(self.ages.leaf);
            let is_replaced = leaf.signer == signer.id;
            is_replaced && signed_last.max(leaf.certificate.made()).saturating_add(grace) <= self.now
        });
        let is_needed = |other: &&Certificate| {
            let signed = |leaf: &Leaf| leaf.signer == other.id;
            let signs = leaf.is_some_and(signed) || self.serving.is_some_and(|(leaf, _)| signed(&leaf));
            other.ends > self.now && (signs || !is_over)
        };
        let mut others: Vec<Certificate> = contents.others.iter().filter(is_needed).copied().collect();
        others.truncate(MOST_AUTHORITIES - 1);
        others
    }

    /// The authority of the leaf that serves, where it goes on serving and the Secret does not have it: who made the Secret
    /// anew did not know it.
    fn forgotten(&self, contents: &Contents) -> Option<Id> {
        let (leaf, authority) = self.serving?;
        let is_forgotten = !contents.has(authority.id) && authority.ends > self.now;
        let replaces = contents.leaf.as_ref().is_ok_and(|offered| self.may_serve(offered));
        (is_forgotten && leaf.certificate.is_valid(self.now) && !replaces).then_some(authority.id)
    }

    /// The Secret as it was, where what is known of it is the newest; else all new, beside what others may show a leaf of.
    fn recover(&self, cause: Cause) -> Plan {
        let found: &[Certificate] = match self.held {
            Held::Corrupt { authorities, .. } => authorities,
            _ => &[],
        };
        let ours = match self.held {
            Held::Ours(contents) => Some(contents),
            _ => None,
        };
        let remembered = self.memory.into_iter().chain(ours).flat_map(Contents::authorities);
        let serving = self.serving.iter().map(|(_, authority)| authority);
        let trusted = self.trusted.into_iter().flat_map(Trusted::everybody);
        let mut known: Vec<Certificate> =
            remembered.chain(serving).chain(found).chain(trusted).filter(|its| its.ends > self.now).copied().collect();
        known.sort_by_key(|authority| (std::cmp::Reverse(authority.begins), authority.id));
        known.dedup_by_key(|authority| authority.id);
        let is_dismissed = matches!(self.held, Held::Corrupt { is_dismissed: true, .. });
        let memory = self.memory.filter(|memory| {
            let is_newest = |its: &Certificate| its.begins <= memory.signer.begins;
            let signer = &memory.signer;
            !is_dismissed && signer.is_valid(self.now) && self.now < signer.due() && known.iter().all(is_newest)
        });
        let signer = memory.map(|memory| memory.signer.id);
        let others = known.iter().map(|authority| authority.id).filter(|id| Some(*id) != signer);
        let others: Vec<Id> = others.take(MOST_AUTHORITIES - 1).collect();
        let has_leaf = memory.and_then(|memory| memory.leaf.as_ref().ok()).is_some_and(|leaf| {
            leaf.certificate.is_valid(self.now) && (Some(leaf.signer) == signer || others.contains(&leaf.signer))
        });
        let base = if memory.is_some() { Base::Memory } else { Base::Nothing };
        let change = Change { base, new_authority: memory.is_none(), new_leaf: !has_leaf, others, cause };
        Plan { change: Some(change), trust: None, look: self.now + LOOK }
    }
}

#[cfg(test)]
mod tests;

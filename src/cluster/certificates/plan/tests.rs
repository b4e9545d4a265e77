//! Years of three replicas in a moment: clocks that differ, restarts, writes that are lost, and hands that reach in.

use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_795_000_000;
const USUAL: Ages = Ages { authority: 3650 * DAY, leaf: 90 * DAY, propagation: 30 };

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// With this probability, in percent.
    fn happens(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

struct Replica {
    skew: i64,
    memory: Option<Contents>,
    serving: Option<(Leaf, Certificate)>,
    /// When it began to serve where nothing served before.
    began: i64,
    trusted: Option<Trusted>,
    /// Until then it hears nothing.
    deaf_until: i64,
    /// When it looks again, unless it hears of a change before: how many it has heard of.
    wake: i64,
    heard: u64,
}

struct World {
    dice: Dice,
    ages: Ages,
    now: i64,
    made: u64,
    known: Vec<Certificate>,
    secret: (u64, Held),
    /// What each of the two configurations holds, and has held: since when.
    configurations: [Vec<(i64, Vec<Option<Certificate>>)>; 2],
    replicas: Vec<Replica>,
    /// How often a write is lost, and a replica restarts, in percent of the rounds.
    mishaps: u64,
    writes: u64,
    /// Of the Secret and of the configurations.
    changes: u64,
    worst: [i64; 2],
}

impl World {
    fn new(seed: u64, ages: Ages, mishaps: u64) -> World {
        let mut dice = Dice(seed | 1);
        let replicas = (0..3).map(|_| {
            let skew = if ages.leaf < DAY { 0 } else { i64::try_from(dice.roll(601)).unwrap() - 300 };
            Replica { skew, memory: None, serving: None, began: START, trusted: None, deaf_until: 0, wake: 0, heard: 0 }
        });
        World {
            replicas: replicas.collect(),
            dice,
            ages,
            now: START,
            made: 0,
            known: Vec::new(),
            secret: (0, Held::Empty),
            configurations: std::array::from_fn(|_| vec![(0, Vec::new())]),
            mishaps,
            writes: 0,
            changes: 0,
            worst: [0; 2],
        }
    }

    fn make(&mut self, at: i64, life: i64, most: i64) -> Certificate {
        self.made += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.made.to_le_bytes());
        let certificate = Certificate { id: Id(id), begins: at - BACKDATED, ends: (at + life).min(most) };
        self.known.push(certificate);
        certificate
    }

    fn certificate(&self, id: Id) -> Certificate {
        *self.known.iter().find(|known| known.id == id).unwrap()
    }

    /// What replica `which` does after it has looked at everything: what it saw, and what it means to do.
    fn look(&mut self, which: usize) -> Option<(u64, i64, Plan, Option<Contents>)> {
        let (version, held) = self.secret.clone();
        let bundles: Vec<_> = self.configurations.iter().map(|history| history.last().unwrap().1.clone()).collect();
        let (now, ages) = (self.now, self.ages);
        // A change is heard of a moment later, and not by all at once.
        let hears = self.dice.happens(40);
        let replica = &mut self.replicas[which];
        let is_awake = now >= replica.wake || (hears && replica.heard != self.changes);
        if replica.deaf_until > now || !is_awake {
            return None;
        }
        replica.heard = self.changes;
        let its_now = now + replica.skew;
        replica.trusted.get_or_insert_default().see(its_now, bundles);
        let stored = match &held {
            Held::Ours(contents) => Some(contents.clone()),
            _ => None,
        };
        let view = |replica: &Replica, held: &Held| {
            let view = View {
                now: its_now,
                ages,
                held,
                memory: replica.memory.as_ref(),
                serving: replica.serving,
                trusted: replica.trusted.as_ref(),
            };
            let offered = stored.as_ref().and_then(|contents| contents.leaf.as_ref().ok());
            (view.plan().unwrap(), offered.copied().filter(|offered| view.may_serve(offered)))
        };
        let (_, taken) = view(replica, &held);
        if let (Some(leaf), Some(contents)) = (taken, &stored) {
            if replica.serving.is_none() {
                replica.began = now;
            }
            let signer = contents.authorities().find(|authority| authority.id == leaf.signer);
            replica.serving = signer.map(|signer| (leaf, *signer)).or(replica.serving);
        }
        if let Some(contents) = stored.clone().filter(|contents| contents.signer.is_valid(its_now)) {
            replica.memory = Some(contents);
        }
        Some((version, its_now, view(replica, &held).0, stored))
    }

    /// Carries out what a replica means to do. Whether anything came of it.
    fn act(&mut self, which: usize, (version, its_now, plan, stored): (u64, i64, Plan, Option<Contents>)) -> bool {
        let mut is_done = false;
        if let Some(change) = &plan.change {
            let base = match change.base {
                Base::Secret => stored,
                Base::Memory => self.replicas[which].memory.clone(),
                Base::Nothing => None,
            };
            let ages = self.ages;
            let signer = if change.new_authority {
                self.make(its_now, ages.authority, i64::MAX)
            } else {
                base.as_ref().unwrap().signer
            };
            let leaf = if change.new_leaf {
                Ok(Leaf { certificate: self.make(its_now, ages.leaf, signer.ends), signer: signer.id })
            } else {
                base.map_or(Err(None), |base| base.leaf)
            };
            assert!(change.others.len() < MOST_AUTHORITIES && !change.others.contains(&signer.id), "{change:?}");
            let others = change.others.iter().map(|id| self.certificate(*id)).collect();
            let is_lost = self.dice.happens(self.mishaps);
            // Of two, one wins.
            if !is_lost && version == self.secret.0 {
                self.secret = (version + 1, Held::Ours(Contents { signer, others, leaf }));
                self.writes += 1;
                self.changes += 1;
            }
            is_done = true;
        }
        if let (Some(wanted), None) = (&plan.trust, &plan.change) {
            let bundle: Vec<_> = wanted.iter().map(|id| Some(self.certificate(*id))).collect();
            for at in 0..2 {
                if !self.dice.happens(self.mishaps) {
                    self.configure(at, bundle.clone());
                }
            }
            is_done = true;
        }
        is_done
    }

    fn configure(&mut self, which: usize, bundle: Vec<Option<Certificate>>) {
        let (now, propagation) = (self.now, self.ages.propagation);
        self.changes += 1;
        let history = &mut self.configurations[which];
        history.push((now, bundle));
        // What the slowest API server may still hold.
        while history.len() > 1 && history[1].0 <= now - propagation {
            history.remove(0);
        }
    }

    /// All look, and then act in any order. When to look again.
    fn round(&mut self) -> i64 {
        // As it was until now, and as it is once all have looked.
        self.check();
        for which in 0..3 {
            if self.dice.happens(self.mishaps) {
                match self.dice.roll(3) {
                    0 => self.replicas[which].deaf_until = self.now + i64::try_from(self.dice.roll(900)).unwrap(),
                    _ => {
                        let replica = &mut self.replicas[which];
                        (replica.memory, replica.serving, replica.trusted) = (None, None, None);
                        replica.wake = self.now;
                    }
                }
            }
        }
        let mut plans: Vec<_> = (0..3).filter_map(|which| Some((which, self.look(which)?))).collect();
        self.check();
        let first = usize::try_from(self.dice.roll(3)).unwrap() % plans.len().max(1);
        plans.rotate_left(first);
        let mut next = self.now + HOUR;
        for (which, plan) in plans {
            // The look at everything beside is of no use here, where all hear everything.
            let look = Some(plan.2.look).filter(|look| *look < plan.1 + LOOK).unwrap_or(plan.1 + HOUR);
            self.replicas[which].wake = look.max(plan.1 + 1) - self.replicas[which].skew;
            if self.act(which, plan) {
                let soon = u64::try_from(self.ages.propagation.min(20)).unwrap();
                self.replicas[which].wake = self.now + 1 + i64::try_from(self.dice.roll(soon)).unwrap();
            }
        }
        for replica in &self.replicas {
            let at = if replica.heard != self.changes { self.now + 1 } else { replica.wake };
            next = next.min(at.max(replica.deaf_until).max(self.now + 1));
        }
        next
    }

    /// What has to hold at every moment.
    fn check(&mut self) {
        let (now, propagation) = (self.now, self.ages.propagation);
        for replica in &self.replicas {
            let Some((leaf, authority)) = replica.serving else { continue };
            // One that is cut off cannot know better, but is never so for long.
            assert!(leaf.certificate.is_valid(now), "{} s past the end", now - leaf.certificate.ends);
            assert!(authority.is_valid(now));
            for (at, certificate) in [authority, leaf.certificate].into_iter().enumerate() {
                let life = certificate.ends - certificate.made();
                let share = (now - certificate.made()) * 1000 / life;
                self.worst[at] = self.worst[at].max(share);
            }
            for history in &self.configurations {
                let is_new = now - replica.began <= propagation;
                let seen = history.iter().enumerate().filter(|(at, _)| {
                    // Held by an API server that is slow; who has just begun serves where all are written.
                    let until = history.get(at + 1).map_or(i64::MAX, |(since, _)| *since);
                    until == i64::MAX || (!is_new && until > now - propagation)
                });
                for (_, (since, bundle)) in seen {
                    let is_trusted = bundle.iter().flatten().any(|its| its.id == leaf.signer);
                    assert!(is_trusted, "{:?} serves, {bundle:?} is trusted since {}", leaf, now - since);
                }
            }
        }
    }

    fn run(&mut self, until: i64) {
        while self.now < until {
            let next = self.round();
            assert!(next > self.now);
            self.now = next;
        }
    }
}

#[test]
fn ten_years_of_three_replicas() {
    for seed in 1..=2 {
        let mut world = World::new(seed * 7919, USUAL, 2);
        world.run(START + 3653 * DAY);
        println!("{} writes; oldest in thousandths of its life: {:?}", world.writes, world.worst);
        assert!(world.worst.iter().all(|share| *share < 800), "{:?}", world.worst);
        // One authority more, and a leaf every sixty days.
        assert!((60..200).contains(&world.writes), "{}", world.writes);
    }
}

#[test]
fn thirty_years_of_authorities_that_last_one() {
    let ages = Ages { authority: 365 * DAY, leaf: 30 * DAY, propagation: 120 };
    let mut world = World::new(4242, ages, 2);
    world.run(START + 30 * 365 * DAY);
    println!("{} writes; oldest in thousandths of its life: {:?}", world.writes, world.worst);
    assert!(world.worst.iter().all(|share| *share < 800), "{:?}", world.worst);
    assert!(world.writes > 500, "{}", world.writes);
}

/// Nobody looks unless it was said when: what is due within seconds is not met by chance.
#[test]
fn ages_of_minutes_are_met_to_the_second() {
    for seed in 1..=20 {
        let ages = Ages { authority: 40 * MINUTE, leaf: 2 * MINUTE, propagation: 5 };
        let mut world = World::new(seed * 31, ages, 0);
        world.run(START + 12 * HOUR);
        assert!(world.worst.iter().all(|share| *share < 800), "{:?}", world.worst);
        assert!(world.writes > 400, "{}", world.writes);
    }
}

#[test]
fn nothing_is_written_while_nothing_is_due() {
    let mut world = World::new(99, USUAL, 0);
    world.run(START + HOUR);
    assert_eq!(world.writes, 1, "both at once, as nobody served before");
    assert!(world.replicas.iter().all(|replica| replica.serving.is_some()));
    world.run(START + 50 * DAY);
    assert_eq!(world.writes, 1);
}

/// The Secret is deleted, emptied or broken, and the bundles are edited, while replicas serve: at every moment they serve what is
/// trusted, but for what a hand took away from the bundles.
#[test]
fn what_hands_do_to_the_secret_is_put_right() {
    for seed in 1..=20 {
        let mut world = World::new(seed * 104_729, Ages { authority: 400 * DAY, leaf: 40 * DAY, propagation: 60 }, 1);
        world.run(START + HOUR);
        for _ in 0..60 {
            let held = match world.dice.roll(4) {
                0 => Held::Missing,
                1 => Held::Empty,
                2 => Held::Corrupt {
                    why: "a hand".to_owned(),
                    authorities: Vec::new(),
                    is_dismissed: world.dice.happens(50),
                },
                _ => match &world.secret.1 {
                    Held::Ours(contents) => {
                        Held::Ours(Contents { leaf: Err(Some("a hand".to_owned())), ..contents.clone() })
                    }
                    other => other.clone(),
                },
            };
            world.secret = (world.secret.0 + 1, held);
            world.changes += 1;
            let rest = i64::try_from(world.dice.roll(20 * 86400)).unwrap() + HOUR;
            let until = world.now + rest;
            world.now += 1;
            world.run(until);
            let Held::Ours(contents) = &world.secret.1 else { panic!("{:?}", world.secret) };
            assert!(contents.leaf.is_ok() && contents.others.len() < MOST_AUTHORITIES, "{contents:?}");
        }
        assert!(world.worst.iter().all(|share| *share < 800), "{:?}", world.worst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn whatever_the_ages_and_the_mishaps_a_trusted_leaf_serves(
        seed in any::<u64>(),
        leaf in 2 * DAY..200 * DAY,
        authorities in 4_i64..60,
        propagation in 1_i64..10 * MINUTE,
        mishaps in 0_u64..12,
    ) {
        let ages = Ages { authority: leaf * authorities, leaf, propagation };
        let mut world = World::new(seed, ages, mishaps);
        world.run(START + 3 * 365 * DAY);
        prop_assert!(world.worst.iter().all(|share| *share < 800), "{:?}", world.worst);
    }
}

fn certificate(id: u8, made: i64, life: i64) -> Certificate {
    Certificate { id: Id([id; 32]), begins: made - BACKDATED, ends: made + life }
}

/// One authority and its leaf, both made at the start, and trusted since.
fn settled() -> (Contents, Trusted) {
    let signer = certificate(1, START, USUAL.authority);
    let leaf = Leaf { certificate: certificate(2, START, USUAL.leaf), signer: signer.id };
    let mut trusted = Trusted::default();
    trusted.see(START, vec![vec![Some(signer)]; 4]);
    (Contents { signer, others: Vec::new(), leaf: Ok(leaf) }, trusted)
}

fn plan(now: i64, held: &Held, memory: Option<&Contents>, trusted: Option<&Trusted>) -> Plan {
    View { now, ages: USUAL, held, memory, serving: None, trusted }.plan().unwrap()
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let (contents, trusted) = settled();
    let plan = plan(START + DAY, &Held::Ours(contents), None, Some(&trusted));
    assert_eq!((plan.change, plan.trust), (None, None));
}

#[test]
fn an_edited_bundle_is_restored() {
    let (contents, mut trusted) = settled();
    let own = Some(contents.signer);
    for edited in [vec![], vec![None], vec![own, None], vec![own, own]] {
        trusted.see(START, vec![vec![own], edited]);
        let plan = plan(START + DAY, &Held::Ours(contents.clone()), None, Some(&trusted));
        assert_eq!((plan.change, plan.trust), (None, Some(vec![contents.signer.id])));
    }
}

#[test]
fn a_new_authority_is_trusted_for_a_while_before_a_leaf_of_it_is_made() {
    let (contents, mut trusted) = settled();
    let due = START + USUAL.authority * 2 / 3;
    let change = plan(due - 1, &Held::Ours(contents.clone()), None, Some(&trusted)).change.unwrap();
    assert!(!change.new_authority && change.new_leaf, "{change:?}");
    let mut now = due;
    let old =
        Contents { leaf: Ok(Leaf { certificate: certificate(3, now, USUAL.leaf), signer: Id([1; 32]) }), ..contents };
    let change = plan(now, &Held::Ours(old.clone()), None, Some(&trusted)).change.unwrap();
    assert!(change.new_authority && !change.new_leaf && change.others == [old.signer.id], "{change:?}");

    let signer = certificate(4, now, USUAL.authority);
    let contents = Contents { signer, others: vec![old.signer], leaf: old.leaf };
    let held = Held::Ours(contents.clone());
    let untrusted = plan(now, &held, None, Some(&trusted));
    assert_eq!((untrusted.change, untrusted.trust), (None, Some(vec![signer.id, old.signer.id])));
    now += 5;
    trusted.see(now, vec![vec![Some(signer), Some(old.signer)]; 4]);
    assert_eq!(plan(now + USUAL.propagation - 1, &held, None, Some(&trusted)).change, None);
    let change = plan(now + USUAL.propagation, &held, None, Some(&trusted)).change.unwrap();
    assert!(!change.new_authority && change.new_leaf && change.cause == Cause::NewAuthority, "{change:?}");
    // One that does not trust it yet counts.
    let mut half = trusted.clone();
    half.see(now, vec![vec![Some(signer), Some(old.signer)], vec![Some(old.signer)]]);
    assert_eq!(plan(now + DAY, &held, None, Some(&half)).change, None);

    // And the old one goes after the last leaf that it can have signed.
    let leaf = Leaf { certificate: certificate(5, now, USUAL.leaf), signer: signer.id };
    let held = Held::Ours(Contents { leaf: Ok(leaf), ..contents });
    let last = due + USUAL.leaf;
    assert_eq!(plan(now + USUAL.leaf / 2, &held, None, Some(&trusted)).change, None);
    let leaf = Leaf { certificate: certificate(6, last - DAY, USUAL.leaf), signer: signer.id };
    let held = match held {
        Held::Ours(contents) => Held::Ours(Contents { leaf: Ok(leaf), ..contents }),
        held => held,
    };
    assert_eq!(plan(last, &held, None, Some(&trusted)).change, None);
    let change = plan(last + HOUR, &held, None, Some(&trusted)).change.unwrap();
    assert!(change.others.is_empty() && change.cause == Cause::Leftover, "{change:?}");
}

#[test]
fn a_deleted_secret_comes_back_as_it_was() {
    let (contents, trusted) = settled();
    let change = plan(START + DAY, &Held::Missing, Some(&contents), Some(&trusted)).change.unwrap();
    let expected =
        Change { base: Base::Memory, new_authority: false, new_leaf: false, others: Vec::new(), cause: Cause::Missing };
    assert_eq!(change, expected);
}

#[test]
fn a_deleted_secret_that_nobody_remembers_comes_back_anew_beside_what_is_trusted() {
    let (contents, trusted) = settled();
    let change = plan(START + DAY, &Held::Missing, None, Some(&trusted)).change.unwrap();
    assert!(change.new_authority && change.new_leaf && change.others == [contents.signer.id], "{change:?}");
    // Where a newer authority is trusted than the one in memory, that is no longer the one to sign.
    let mut newer = trusted;
    newer.see(START, vec![vec![Some(certificate(9, START + HOUR, USUAL.authority)), Some(contents.signer)]; 4]);
    let change = plan(START + DAY, &Held::Missing, Some(&contents), Some(&newer)).change.unwrap();
    assert!(change.new_authority && change.others == [Id([9; 32]), Id([1; 32])], "{change:?}");
}

#[test]
fn what_begins_in_the_future_is_replaced() {
    let (contents, trusted) = settled();
    // Two hours behind, all is in the future: what is made then is good for everybody.
    let change = plan(START - 2 * HOUR, &Held::Ours(contents.clone()), None, Some(&trusted)).change.unwrap();
    assert!(change.new_authority && change.new_leaf && change.cause == Cause::Ended, "{change:?}");
    // Less than an hour behind it serves.
    let early = plan(START - HOUR + 1, &Held::Ours(contents), None, Some(&trusted));
    assert_eq!((early.change, early.trust), (None, None));
}

#[test]
fn the_secret_of_somebody_else_is_refused() {
    let held = Held::Foreign("its type is not Opaque".to_owned());
    let view = View { now: START, ages: USUAL, held: &held, memory: None, serving: None, trusted: None };
    assert_eq!(view.plan(), Err(Refusal("its type is not Opaque".to_owned())));
}

/// By a replica whose clock is two months ahead: it makes one anew, as often as the others put that right.
#[test]
fn a_leaf_that_begins_in_the_future_serves_nowhere() {
    let (contents, trusted) = settled();
    let served = (contents.leaf.clone().unwrap(), contents.signer);
    let leaf = Leaf { certificate: certificate(3, START + 62 * DAY, USUAL.leaf), signer: contents.signer.id };
    let held = Held::Ours(Contents { leaf: Ok(leaf), ..contents });
    let view = |now, serving| View { now, ages: USUAL, held: &held, memory: None, serving, trusted: Some(&trusted) };
    for serving in [None, Some(served)] {
        assert!(!view(START + DAY, serving).may_serve(&leaf));
        assert!(view(START + 62 * DAY, serving).may_serve(&leaf));
    }
    let change = view(START + DAY, Some(served)).plan().unwrap().change.unwrap();
    assert!(change.new_leaf && !change.new_authority && change.cause == Cause::Ended, "{change:?}");
}

#[test]
fn a_leaf_of_an_authority_that_is_not_trusted_waits_for_it() {
    let (contents, mut trusted) = settled();
    let leaf = contents.leaf.clone().unwrap();
    let held = Held::Ours(contents.clone());
    let may_serve = |serving, trusted: Option<&Trusted>| {
        View { now: START + DAY, ages: USUAL, held: &held, memory: None, serving, trusted }.may_serve(&leaf)
    };
    assert!(may_serve(None, Some(&trusted)));
    // Nobody is registered that could ask.
    assert!(may_serve(None, None));
    let other = certificate(7, START, USUAL.authority);
    trusted.see(START, vec![vec![Some(other)], vec![Some(other), Some(contents.signer)]]);
    assert!(!may_serve(None, Some(&trusted)));
    let served = (Leaf { certificate: certificate(8, START, USUAL.leaf), signer: other.id }, other);
    assert!(!may_serve(Some(served), Some(&trusted)));
    trusted.see(START + DAY - 5, vec![vec![Some(other), Some(contents.signer)]; 2]);
    assert!(!may_serve(Some(served), Some(&trusted)));
    trusted.see(START, vec![vec![Some(other), Some(contents.signer)]; 2]);
    assert!(may_serve(Some(served), Some(&trusted)));
}

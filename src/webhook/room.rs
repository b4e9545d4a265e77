//! The bytes of bodies that may be held at a time, and who gets them.
//!
//! A body is charged for what has come of it, never for what it announces. Bodies that have come in part hold bytes and
//! want more, so all of them together could hold everything and wait for each other. Therefore the room of one whole
//! body is kept apart, and only one body at a time, in the order of asking, may fill it: that one comes to its end
//! whatever the others hold, and then the next one does. Another part is kept for small bodies, so that pods pass while
//! big ones wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::{Instant, timeout_at};

use super::settings::Limits;

/// A body of at most this is small: the pods of a day's work are a hundredth of it.
pub(super) const SMALL: usize = 1 << 20;

/// A permit is a byte.
#[derive(Debug)]
pub(super) struct Room {
    /// For everybody.
    common: Arc<Semaphore>,
    /// For small bodies: an eighth of all, at least 1 MiB, as far as all is more than one longest body.
    small: Arc<Semaphore>,
    /// One longest body: for whoever has the turn, and for what is judged at once, which gives it back without
    /// waiting for anything.
    last: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    total: usize,
}

/// What a body may take from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// It is small, or says so.
    pub(super) small: bool,
    /// These are its last bytes: it waits for no more.
    pub(super) whole: bool,
}

/// The room of one body, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Place {
    common: Option<OwnedSemaphorePermit>,
    small: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// As the limits say. They are checked before: one longest body fits.
    pub(super) fn new(limits: &Limits) -> Room {
        let total = limits.max_in_flight;
        let last = limits.max_body;
        let small = (total / 8).max(SMALL).min(total - last);
        let of = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Room { common: of(total - last - small), small: of(small), last: of(last), turn: of(1), total }
    }

    /// How many bytes are held.
    pub(super) fn taken(&self) -> usize {
        let free = [&self.common, &self.small, &self.last].map(|part| part.available_permits());
        self.total.saturating_sub(free.iter().sum())
    }

    /// Takes room without waiting; whether there was some.
    pub(super) fn try_grow(&self, place: &mut Place, bytes: usize, claim: Claim) -> bool {
        let bytes = permits(bytes);
        take(&self.common, &mut place.common, bytes)
            || (claim.small && take(&self.small, &mut place.small, bytes))
            || ((claim.whole || place.turn.is_some()) && take(&self.last, &mut place.last, bytes))
    }

    /// Takes room, and waits for it until the deadline; whether there was some.
    pub(super) async fn grow(&self, place: &mut Place, bytes: usize, claim: Claim, deadline: Instant) -> bool {
        self.try_grow(place, bytes, claim) || timeout_at(deadline, self.wait(place, bytes, claim)).await.is_ok()
    }

    async fn wait(&self, place: &mut Place, bytes: usize, claim: Claim) {
        let bytes = permits(bytes);
        let of = |part: &Arc<Semaphore>| Arc::clone(part).acquire_many_owned(bytes);
        // None of the semaphores is ever closed. Whatever a branch holds when another one is first goes back.
        let turn = place.turn.take();
        let in_turn = async {
            let turn = match turn {
                Some(turn) => Some(turn),
                None => Arc::clone(&self.turn).acquire_owned().await.ok(),
            };
            (turn, of(&self.last).await)
        };
        tokio::select! {
            Ok(permit) = of(&self.common), if place.last.is_none() => add(&mut place.common, permit),
            Ok(permit) = of(&self.small), if claim.small && place.last.is_none() => add(&mut place.small, permit),
            (turn, Ok(permit)) = in_turn => {
                place.turn = turn;
                add(&mut place.last, permit);
            }
            else => {}
        }
    }

    /// Keeps room for an answer alone, so that whoever does not take his does not keep the turn from others.
    pub(super) fn settle(&self, place: &mut Place, answer: usize) {
        if place.last.is_none() {
            return;
        }
        let kept: usize =
            [&place.common, &place.small].into_iter().flatten().map(OwnedSemaphorePermit::num_permits).sum();
        let missing = permits(answer.saturating_sub(kept));
        if missing == 0
            || take(&self.common, &mut place.common, missing)
            || take(&self.small, &mut place.small, missing)
        {
            place.last = None;
            place.turn = None;
        }
    }
}

impl Place {
    /// How many bytes it holds.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        [&self.common, &self.small, &self.last].into_iter().flatten().map(OwnedSemaphorePermit::num_permits).sum()
    }
}

fn take(part: &Arc<Semaphore>, held: &mut Option<OwnedSemaphorePermit>, bytes: u32) -> bool {
    match Arc::clone(part).try_acquire_many_owned(bytes) {
        Ok(permit) => {
            add(held, permit);
            true
        }
        Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => false,
    }
}

fn add(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

/// The limits are checked to fit at the start.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BIG: Claim = Claim { small: false, whole: false };
    const LITTLE: Claim = Claim { small: true, whole: false };
    const COME: Claim = Claim { small: true, whole: true };
    const MIB: usize = 1 << 20;

    fn room(max_in_flight: usize, max_body: usize) -> Room {
        Room::new(&Limits { max_body, max_in_flight, ..Limits::default() })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn small_bodies_find_room_where_big_ones_hold_all_of_theirs() {
        let room = room(64 * MIB, 16 * MIB);
        let (mut big, mut small) = (Place::default(), Place::default());
        assert!(room.try_grow(&mut big, 40 * MIB, BIG));
        assert!(!room.try_grow(&mut big, 1, BIG));
        assert!(room.try_grow(&mut small, 8 * MIB, LITTLE), "an eighth");
        assert!(!room.try_grow(&mut small, 1, LITTLE));
        assert!(room.try_grow(&mut small, 16 * MIB, COME), "what is judged at once takes what is free");
        assert_eq!(room.taken(), 64 * MIB);
        drop((big, small));
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn small_bodies_have_a_mebibyte_at_least_and_never_the_room_of_the_longest() {
        for (all, longest, small) in [(4, 1, 1), (2, 1, 1), (1, 1, 0), (32, 1, 4), (17, 16, 1), (16, 16, 0)] {
            assert_eq!(room(all * MIB, longest * MIB).small.available_permits(), small * MIB, "{all} {longest}");
        }
    }

    /// Each holds a part, none is whole, and together they hold everything.
    #[tokio::test]
    async fn bodies_that_all_wait_for_more_come_to_their_ends_one_after_another() {
        let room = Arc::new(room(8 * MIB, 2 * MIB));
        let mut bodies = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let room = Arc::clone(&room);
            bodies.spawn(async move {
                let mut place = Place::default();
                for _ in 0..2 * MIB / (16 << 10) {
                    assert!(room.grow(&mut place, 16 << 10, BIG, later()).await);
                    tokio::task::yield_now().await;
                }
                assert_eq!(place.bytes(), 2 * MIB);
            });
        }
        assert_eq!(bodies.join_all().await.len(), 50);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn who_has_no_turn_waits_until_the_deadline_and_keeps_nothing() {
        let room = room(2 * MIB, 2 * MIB);
        let (mut first, mut second) = (Place::default(), Place::default());
        assert!(room.grow(&mut first, 10, BIG, soon()).await);
        assert!(!room.grow(&mut second, 10, BIG, soon()).await);
        assert_eq!(room.taken(), 10);
        drop(first);
        assert!(room.grow(&mut second, 2 * MIB, BIG, soon()).await);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_does_not_keep_the_turn() {
        let room = room(3 * MIB, 2 * MIB);
        let (mut held, mut first, mut second) = (Place::default(), Place::default(), Place::default());
        assert!(room.grow(&mut held, MIB, LITTLE, soon()).await);
        assert!(room.grow(&mut first, 10, BIG, soon()).await);
        drop(held);
        room.settle(&mut first, 10);
        assert_eq!(room.taken(), 10, "the answer takes room all the same");
        assert!(room.grow(&mut second, 2 * MIB, BIG, soon()).await);
    }
}

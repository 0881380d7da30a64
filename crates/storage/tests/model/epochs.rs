//! What the model says of leader epochs (KIP-101): a list of where each starts.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(pub Vec<(i32, i64)>);

impl Epochs {
    pub fn assign(&mut self, epoch: i32, start: i64) {
        if epoch < 0 || self.0.last().is_some_and(|last| last.0 == epoch && last.1 <= start) {
            return;
        }
        while self.0.last().is_some_and(|last| last.0 >= epoch || last.1 >= start) {
            self.0.pop();
        }
        self.0.push((epoch, start));
    }

    pub fn latest(&self) -> Option<i32> {
        self.0.last().map(|last| last.0)
    }

    pub fn end_at(&mut self, end: i64) {
        self.0.retain(|entry| entry.1 < end);
    }

    pub fn start_at(&mut self, start: i64) {
        if let Some(at) = self.0.iter().rposition(|entry| entry.1 <= start) {
            self.0.drain(..at);
            self.0[0].1 = start;
        }
    }

    pub fn at(&self, offset: i64) -> Option<i32> {
        self.0.iter().rfind(|entry| entry.1 <= offset).map(|entry| entry.0)
    }

    /// The epoch that is answered for `epoch`, and where it ends.
    pub fn end_of(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        if epoch < 0 {
            return None;
        }
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end));
        }
        let next = self.0.iter().position(|entry| entry.0 > epoch)?;
        let floor = if next == 0 { epoch } else { self.0[next - 1].0 };
        Some((floor, self.0[next].1))
    }
}

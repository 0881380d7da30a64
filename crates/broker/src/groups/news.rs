//! What every coordinator must know besides its log, and what has become of it: of several changes the last counts.

use crate::shards;
use ottla_coordinator::{Event, GroupCoordinator, Settings};
use ottla_metadata::image::Image;
use std::sync::Arc;
use tokio::sync::watch;

/// Where changes come in.
pub(super) struct Newsroom {
    settings: watch::Sender<Settings>,
    image: watch::Sender<Arc<Image>>,
}

impl Newsroom {
    /// Nothing is known of the cluster yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: watch::Sender::new(settings), image: watch::Sender::new(Arc::default()) }
    }

    /// What a coordinator reads.
    pub(super) fn subscribe(&self) -> News {
        News { settings: self.settings.subscribe(), image: self.image.subscribe() }
    }

    /// The settings as they are now.
    pub(super) fn settings(&self) -> Settings {
        self.settings.borrow().clone()
    }

    /// Takes settings in, if they are new.
    pub(super) fn configure(&self, settings: Settings) {
        self.settings.send_if_modified(|before| {
            let is_new = *before != settings;
            *before = settings;
            is_new
        });
    }

    /// Takes the metadata in.
    pub(super) fn publish(&self, image: Arc<Image>) {
        self.image.send_replace(image);
    }
}

/// What one coordinator has not been told.
#[derive(Clone)]
pub(super) struct News {
    settings: watch::Receiver<Settings>,
    image: watch::Receiver<Arc<Image>>,
}

impl shards::News<GroupCoordinator> for News {
    fn all(&self) -> Vec<Event> {
        vec![Event::Configure(self.settings.borrow().clone()), Event::Metadata(self.image.borrow().clone())]
    }

    fn mark_seen(&mut self) {
        self.settings.mark_unchanged();
        self.image.mark_unchanged();
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            Ok(()) = self.settings.changed() => Event::Configure(self.settings.borrow_and_update().clone()),
            Ok(()) = self.image.changed() => Event::Metadata(self.image.borrow_and_update().clone()),
            // Nobody is left who could know anything new.
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::News as _;

    fn image(offset: i64) -> Arc<Image> {
        let mut image = Image::default();
        image.advance(offset, 0);
        Arc::new(image)
    }

    fn settings(group_max_size: i32) -> Settings {
        Settings { group_max_size, ..Settings::default() }
    }

    #[tokio::test]
    async fn of_several_changes_the_last_counts() {
        let newsroom = Newsroom::new(settings(1));
        let mut news = newsroom.subscribe();
        newsroom.publish(image(1));
        newsroom.publish(image(2));
        assert_eq!(news.next().await, Event::Metadata(image(2)));
        newsroom.configure(settings(1));
        newsroom.configure(settings(2));
        newsroom.configure(settings(3));
        assert_eq!(news.next().await, Event::Configure(settings(3)));
        newsroom.publish(image(3));
        assert_eq!(news.next().await, Event::Metadata(image(3)));
    }

    #[tokio::test]
    async fn what_was_known_at_the_start_is_not_news() {
        let newsroom = Newsroom::new(settings(1));
        newsroom.publish(image(1));
        let mut news = newsroom.subscribe();
        assert_eq!(news.all(), [Event::Configure(settings(1)), Event::Metadata(image(1))]);
        newsroom.configure(settings(2));
        newsroom.publish(image(2));
        news.mark_seen();
        assert_eq!(news.all(), [Event::Configure(settings(2)), Event::Metadata(image(2))]);
        newsroom.configure(settings(2));
        newsroom.publish(image(3));
        assert_eq!(news.next().await, Event::Metadata(image(3)));
    }
}

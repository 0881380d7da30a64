//! What the cluster is: image, delta, and the controller that decides changes.

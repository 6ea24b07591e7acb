"""Networks that are trained, or taken over from those who trained them: the only place that imports
Keras and JAX (extra ``vggface``)."""

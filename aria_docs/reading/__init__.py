"""WHAT A CHILD DOES: a file becomes pages, frames and rows. Never touches the store."""

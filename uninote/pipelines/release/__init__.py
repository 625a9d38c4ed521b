"""Releases as stages: what a run left becomes what readers see, if its gates pass; and what nobody needs any more goes."""

"""`eyas ui`: a page that follows runs and studies as they are trained. It reads what they write, and changes nothing.

folder of runs ─ folders: nothing outside is ever opened ─ runs, studies: plain values ─ endpoints ─ the page
"""

"""The page: one renderer, as a file that works offline and as a tab inside TensorBoard.

Record ──facts_of──► facts (JSON) ──┬──page──► report.html     facts, style and scripts in one file
                                    └──plugin► TensorBoard     the same scripts ask for them again and again
       ──figures──► PNG and SVG
style.css  page.js  charts.js  parallel.js  tables.js     what draws, in a browser
"""

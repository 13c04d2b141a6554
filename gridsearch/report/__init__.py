"""Show why the winner won: analysis, one page as a file and as a tab inside TensorBoard, figures, tables.

Record ──facts_of──► facts (JSON) ──┬──page──► report.html     facts, style and scripts in one file
                                    └──plugin► TensorBoard     the same scripts ask for them again and again
       ──figures──► PNG and SVG
style.css  page.js  charts.js  parallel.js  tables.js     what draws, in a browser
"""

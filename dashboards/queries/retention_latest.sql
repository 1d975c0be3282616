-- title: Deleted on time
-- about: What the latest run of the retention rules did for each kind of data: how long it is kept, what went, what a contest holds, and what is still there although it had to go.
-- parameters: school String, from Date, to Date
SELECT
    r.what AS what,
    max(r.run) AS latest,
    argMax(r.keep_days, r.run) AS keep_days,
    argMax(r.removed, r.run) AS removed,
    argMax(r.held, r.run) AS held,
    argMax(r.left, r.run) AS left,
    argMax(r.problem, r.run) AS problem
FROM schoolgate.retention_proof AS r
WHERE r.school = {school:String} AND r.day >= {from:Date} AND r.day <= {to:Date}
GROUP BY what
ORDER BY left = 0, what

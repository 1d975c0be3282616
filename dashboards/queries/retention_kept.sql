-- title: Data deleted on time
-- about: How often what was too old was removed from one day to another, and how often something stayed that had to go.
-- parameters: school String, from Date, to Date
SELECT
    uniqExact(p.run) AS runs,
    countIf(p.left > 0 OR p.problem != '') AS failed
FROM schoolgate.retention_proof AS p
WHERE p.school = {school:String} AND p.day >= {from:Date} AND p.day <= {to:Date}

-- title: Sorts of day
-- about: What sort of day each day was that was seen, as school, holiday or inset, with what the school's calendar calls it.
-- parameters: school String, from Date, to Date
SELECT
    d.day AS day,
    d.kind AS kind,
    d.name AS name
FROM schoolgate.school_day AS d FINAL
WHERE d.school = {school:String} AND d.day >= {from:Date} AND d.day <= {to:Date}
ORDER BY day

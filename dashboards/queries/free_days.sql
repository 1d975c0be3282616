-- title: Days without school
-- about: Holidays, bank holidays, closures and INSET days from one day to another, with what the school's calendar calls them.
-- parameters: school String, from Date, to Date
SELECT
    d.day AS day,
    d.kind AS kind,
    d.name AS name
FROM schoolgate.school_day AS d FINAL
WHERE d.school = {school:String} AND d.day >= {from:Date} AND d.day <= {to:Date} AND d.kind IN ('holiday', 'bank_holiday', 'closure', 'inset')
ORDER BY day
